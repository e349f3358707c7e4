//! How the engine is set up: for code that runs and for the compiler process,
//! each of them for either tier.
//!
//! What decides the shape of compiled code is the same for both.

use super::tier::Tier;
use crate::limits::HostLimits;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    RegallocAlgorithm, Strategy,
};

/// Stack of the guest's own frames.
const WASM_STACK_BYTES: usize = 512 << 10;
/// Stack of a call: the guest's frames and those of the host calls it makes.
const ASYNC_STACK_BYTES: usize = 2 << 20;
/// Largest memory that any manifest may ask for.
const MEMORY_BYTES_MAX: usize = 4 << 30;
/// Core instances, memories and tables of one component: the instance itself,
/// the adapters around it, and what a language runtime brings.
const CORE_PARTS_MAX: u32 = 64;
/// Parts that a component has on the average; the pools are sized for it.
const CORE_PARTS_USUAL: u32 = 3;

fn common(tier: Tier) -> Config {
    let mut config = Config::new();
    match tier {
        Tier::Optimized => config.strategy(Strategy::Cranelift),
        // Cranelift makes the few instructions around each function.
        Tier::Baseline => config
            .strategy(Strategy::Winch)
            .cranelift_opt_level(OptLevel::None)
            .cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass),
    };
    config.epoch_interruption(true);
    config.max_wasm_stack(WASM_STACK_BYTES);
    config.async_stack_size(ASYNC_STACK_BYTES);
    config.wasm_component_model(true);
    config.wasm_component_model_async(true);
    config
}

/// The engine of the compiler process, which runs nothing.
pub(super) fn compiler_engine(tier: Tier) -> wasmtime::Result<Engine> {
    Engine::new(&common(tier))
}

/// The engine of the host for code of a tier.
pub(super) fn host_engine(limits: &HostLimits, tier: Tier) -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    let instances = limits.instances_max;
    let parts = instances.saturating_mul(CORE_PARTS_USUAL);
    pool.total_component_instances(instances)
        .total_core_instances(parts)
        .total_memories(instances)
        .total_tables(parts)
        .total_stacks(instances.saturating_mul(2))
        .max_core_instances_per_component(CORE_PARTS_MAX)
        .max_memories_per_component(CORE_PARTS_MAX)
        .max_tables_per_component(CORE_PARTS_MAX)
        .max_memory_size(MEMORY_BYTES_MAX)
        .max_core_instance_size(1 << 20)
        .max_component_instance_size(1 << 20)
        .table_elements(100_000)
        .linear_memory_keep_resident(64 << 10)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(64 << 10)
        .max_unused_warm_slots(64)
        .pagemap_scan(Enabled::Auto);
    let mut config = common(tier);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}
