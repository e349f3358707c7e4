;; A service that never tells what it is: `describe` spins.
(module
  (memory (export "memory") 1)
  (func (export "picolet:service/service@1.0.0#describe") (result i32)
    (loop (br 0))
    unreachable)
  (func (export "[async-lift]picolet:service/service@1.0.0#handle")
    (param i32 i64 i32 i32 i32 i32 i32) (result i32)
    unreachable)
  (func (export "[callback][async-lift]picolet:service/service@1.0.0#handle")
    (param i32 i32 i32) (result i32)
    unreachable)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    unreachable))
