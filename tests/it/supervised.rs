//! systemd is told how far the host is, and the host goes on when it cannot be.

use crate::kit::*;
use rustix::process::Signal;
use tokio::net::UnixDatagram;

const VARIABLE: &str = "NOTIFY_SOCKET";

async fn told(socket: &UnixDatagram) -> String {
    let mut message = vec![0; 256];
    let len = within("systemd to be told", socket.recv(&mut message)).await.unwrap();
    String::from_utf8_lossy(&message[..len]).into_owned()
}

#[tokio::test]
async fn systemd_is_told_when_services_are_served_and_when_they_stop() {
    let folder = Folder::of(&["calc"]);
    let path = folder.beside("notify");
    let systemd = UnixDatagram::bind(&path).unwrap();
    let path = path.to_str().unwrap();
    let mut host = Launch::over(folder).variable(VARIABLE, path).start_unready().await;
    assert_eq!(told(&systemd).await, "READY=1\n");
    assert_eq!(host.get("/api/add/40/2").await.status, 200);
    host.signal(Signal::TERM);
    assert_eq!(told(&systemd).await, "STOPPING=1\n");
    assert_eq!(host.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_host_that_nobody_hears_serves_all_the_same() {
    let folder = Folder::of(&["calc"]);
    let nobody = folder.beside("nobody");
    let nobody = nobody.to_str().unwrap();
    let host = Launch::over(folder).variable(VARIABLE, nobody).start().await;
    host.line("systemd cannot be told").await;
    assert_eq!(host.get("/api/add/40/2").await.status, 200);
    host.stop().await;
}
