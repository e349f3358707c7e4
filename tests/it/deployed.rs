//! The settings of `deploy/`, in use: a service of one host calls one of another.

use crate::kit::*;

#[tokio::test]
async fn the_two_hosts_of_the_compose_file_find_each_other() {
    let greeter = Host::of(&["greeter"]).await;
    let settings = include_str!("../../deploy/compose/api/picolet.toml");
    assert!(settings.contains("greeter:8080"), "{settings}");
    let settings = settings.replace("greeter:8080", &greeter.services.to_string());
    let folder = Folder::of(&["greeter-api"]).with("picolet.toml", settings);
    let api = Host::over(folder).await;
    let greeted = until("the greeter to be known", async || {
        let reply = api.get("/greeter-api/say/hello?name=John").await;
        (reply.status == 200).then_some(reply)
    });
    answers(&greeted.await, 200, "{\"message\":\"Hello John\"}");
    greeter.stop().await;
    api.stop().await;
}
