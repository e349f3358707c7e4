use picolet_sdk::prelude::*;

#[service]
mod alive {
    #[every]
    async fn without_a_time() {}

    #[every("30")]
    async fn without_a_unit() {}

    #[every("10ms")]
    async fn too_often() {}

    #[cron("0 4 * *")]
    async fn of_four_fields() {}

    #[every("30s", overlaps)]
    async fn with_an_unknown_key() {}

    #[every("30s")]
    async fn with_a_path(Path(id): Path<u8>) {}

    #[start("now")]
    async fn begin() {}

    #[stop]
    fn end() {}
}

#[service]
mod twice {
    #[start]
    async fn one() {}

    #[start]
    async fn other() {}
}

#[service]
mod of_one_name {
    #[every("1h30m")]
    async fn tick() {}

    #[cron("0 4 * * *", name = "tick")]
    async fn tock() {}
}

fn main() {}
