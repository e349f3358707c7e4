//! Tells who serves what, asks all of them, and follows every change: a service
//! over the registry.

use std::{collections::BTreeMap, time::Duration};

use picolet_sdk::prelude::*;

/// How long one endpoint may take.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
struct Where {
    #[serde(default = "usual_key")]
    key: String,
}

fn usual_key() -> String {
    "default".into()
}

/// What one endpoint said.
#[derive(Debug, PartialEq, Serialize)]
struct Said {
    registration: String,
    /// Of the answer, or of the fault.
    status: u16,
    text: String,
}

#[service(root = "/directory")]
mod directory_service {
    /// Every service and the registrations of its endpoints.
    #[get("", idempotent)]
    async fn services(Query(at): Query<Where>) -> Json<BTreeMap<String, Vec<String>>> {
        let mut services = BTreeMap::<String, Vec<String>>::new();
        for entry in directory(&at.key) {
            services.entry(entry.name).or_default().push(entry.registration);
        }
        Json(services)
    }

    /// The registrations of one service; none when there is no such service.
    #[get("/{service}", idempotent)]
    async fn endpoints(Path(service): Path<String>, Query(at): Query<Where>) -> Json<Vec<String>> {
        Json(registrations(&at.key, &service))
    }

    /// Asks every endpoint of a service at once, each by its registration, for a
    /// method without parameters. One that fails is told with the others.
    #[get("/{service}/each/{method}")]
    async fn each(
        Path((service, method)): Path<(String, String)>,
        Query(at): Query<Where>,
    ) -> Json<Vec<Said>> {
        let ask = async |registration: String| {
            let call = client(&*service).key(&at.key).endpoint(&registration).timeout(PATIENCE);
            match said(call.method(&*method)).await {
                Ok((status, text)) => Said { registration, status, text },
                Err(fault) => {
                    Said { registration, status: fault.status(), text: fault.to_string() }
                }
            }
        };
        Json(join_all(registrations(&at.key, &service).into_iter().map(ask)).await)
    }

    /// A line for every endpoint, and one for each change from then on, for as
    /// long as the call may last.
    #[get("/changes")]
    async fn changes() -> Body {
        Body::stream(|mut writer| async move {
            loop {
                let lines: Vec<String> = directory_changes().await.into_iter().map(line).collect();
                writer.write(lines.concat()).await?;
            }
        })
    }

    pub(super) fn line(change: DirectoryChange) -> String {
        let told = |event, it: Endpoint| {
            format!("{event} {} {} {:?}\n", it.service, it.registration, it.state)
        };
        match change {
            DirectoryChange::Added(it) => told("added", it),
            DirectoryChange::Changed(it) => told("changed", it),
            DirectoryChange::Removed(it) => told("removed", it),
            DirectoryChange::Current => "current\n".to_owned(),
        }
    }

    fn registrations(key: &str, service: &str) -> Vec<String> {
        let entries = directory(key).into_iter().filter(|entry| entry.name == service);
        entries.map(|entry| entry.registration).collect()
    }

    async fn said(call: Call) -> Result<(u16, String), Fault> {
        let answer = call.send().await?;
        let status = answer.status.as_u16();
        let body = answer.body.collect().await?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use picolet_sdk::testing::{answer, block_on, call, list, request};

    use super::*;

    fn entry(name: &str, registration: &str) -> Entry {
        Entry { name: name.into(), registration: registration.into(), ..Entry::default() }
    }

    #[track_caller]
    fn check(method: &str, request: Request, expected: &str) {
        list("default", vec![entry("echo", "e1"), entry("echo", "e2"), entry("calc", "c1")]);
        list("eu", vec![entry("echo", "e3")]);
        let response = call::<directory_service::Service>(method, request).unwrap();
        let body = block_on(response.body.collect()).unwrap();
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }

    #[test]
    fn services_are_listed_with_their_registrations() {
        let all = request("GET", "/directory").build();
        check("services", all, r#"{"calc":["c1"],"echo":["e1","e2"]}"#);
        let elsewhere = request("GET", "/directory?key=eu").build();
        check("services", elsewhere, r#"{"echo":["e3"]}"#);
    }

    #[test]
    fn an_unknown_service_has_no_endpoints() {
        let echo = request("GET", "/directory/echo").param("service", "echo").build();
        check("endpoints", echo, r#"["e1","e2"]"#);
        let nobody = request("GET", "/directory/nobody").param("service", "nobody").build();
        check("endpoints", nobody, "[]");
    }

    #[test]
    fn every_endpoint_is_asked_by_its_registration() {
        answer("echo", "hello", |call| {
            let endpoint = call.options.iter().find(|(name, _)| name == "endpoint");
            match endpoint.map(|(_, registration)| &**registration) {
                Some("e1") => Ok("I am e1"),
                _ => Err(Fault::unavailable("resting")),
            }
        });
        let each = request("GET", "/directory/echo/each/hello");
        let each = each.param("service", "echo").param("method", "hello").build();
        let expected = r#"[{"registration":"e1","status":200,"text":"I am e1"},{"registration":"e2","status":503,"text":"resting"}]"#;
        check("each", each, expected);
    }

    #[test]
    fn a_change_is_a_line() {
        list("default", vec![entry("echo", "e1")]);
        let changes = block_on(directory_changes());
        let lines: Vec<String> = changes.into_iter().map(directory_service::line).collect();
        assert_eq!(lines, ["added echo e1 Down\n", "current\n"]);
    }
}
