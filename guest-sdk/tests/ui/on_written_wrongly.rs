use picolet_sdk::prelude::*;

#[service]
mod rates {
    #[on]
    async fn without_a_subject() {}

    #[on("rates..usd")]
    async fn with_an_empty_token() {}

    #[on("rates.>.usd")]
    async fn with_the_rest_in_the_middle() {}

    #[on("$SYS.x")]
    async fn kept_for_the_host() {}

    #[on("rates.u sd")]
    async fn with_a_space() {}

    #[on("rates.*", topic = "x")]
    async fn with_an_unknown_key() {}

    #[on("rates.*", group = "a b")]
    async fn with_a_bad_group() {}

    #[on("rates.*.*")]
    async fn with_a_path_of_the_wrong_length(Path((one, two, three)): Path<(u8, u8, u8)>) {}

    #[on("rates.usd")]
    async fn with_a_path_and_no_wildcard(Path(one): Path<u8>) {}

    #[on("rates.eur")]
    fn that_is_not_async() {}
}

#[service]
mod twice {
    #[on("rates.*")]
    async fn one() {}

    #[on("rates.*")]
    async fn other() {}

    #[on("rates.*", group = "workers")]
    async fn third() {}
}

fn main() {}
