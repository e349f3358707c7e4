//! A client and a service made of one contract understand each other.

#![allow(clippy::unwrap_used, reason = "a test may")]

use picolet_sdk::{
    prelude::*,
    testing::{block_on, serve},
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    id: u32,
    tags: Vec<String>,
}

#[derive(Serialize, Deserialize)]
pub struct Place {
    shelf: u8,
    aisle: String,
}

#[derive(Serialize, Deserialize)]
pub struct Page {
    size: u8,
    after: Option<String>,
}

/// What a store knows.
#[contract]
pub trait Store {
    /// One of the parts.
    #[get("/parts/{id}")]
    async fn part(id: Path<u32>) -> Option<Json<Part>>;

    #[get("/at/{aisle}/{shelf}", name = "Parts.At")]
    async fn parts_at(place: Path<Place>, page: Query<Page>) -> Json<Vec<String>>;

    #[put("/parts/{id}", idempotent)]
    async fn store(id: Path<u32>, part: Json<Part>) -> StatusCode;

    #[post("/notes")]
    async fn note(_: Text) -> String;

    #[delete("/parts")]
    async fn clear();

    #[post("/upper")]
    async fn upper(body: Body) -> Body;
}

#[service(name = "store", version = "1.2.0", root = "/store", contract = Store)]
mod store {
    #[get("/parts/{id}")]
    async fn part(Path(id): Path<u32>) -> Result<Option<Json<Part>>, Fault> {
        match id {
            0 => Err(Fault::forbidden("the first part is secret")),
            7 => Ok(Some(Json(Part { id, tags: vec![] }))),
            _ => Ok(None),
        }
    }

    #[get("/at/{aisle}/{shelf}", name = "Parts.At")]
    async fn parts_at(
        request_id: Context,
        Path(place): Path<Place>,
        query: Option<Query<Page>>,
    ) -> (Headers, Json<Vec<String>>) {
        let size = query.map_or(0, |Query(page)| page.size + page.after.map_or(0, |_| 100));
        let told = vec![place.aisle.clone(), place.shelf.to_string(), size.to_string()];
        let who = request_id.property("who").unwrap_or_default();
        (Headers::new(), Json(told.into_iter().chain([who]).collect()))
    }

    #[put("/parts/{id}", idempotent)]
    async fn store(Path(id): Path<u32>, Json(part): Json<Part>) -> StatusCode {
        if id == part.id { StatusCode::CREATED } else { StatusCode::CONFLICT }
    }

    #[post("/notes")]
    async fn note(Text(note): Text) -> String {
        format!("noted: {note}")
    }

    #[delete("/parts")]
    async fn clear() {}

    #[post("/upper")]
    async fn upper(mut body: Body) -> Body {
        Body::stream(async move |mut writer| {
            while let Some(chunk) = body.next().await? {
                writer.write(chunk.to_ascii_uppercase()).await?;
            }
            Ok(())
        })
    }
}

fn client_of_store() -> StoreClient {
    serve::<store::Service>();
    StoreClient::new("store")
}

#[test]
fn what_is_absent_is_none_and_a_fault_is_a_fault() {
    let store = client_of_store();
    assert_eq!(block_on(store.part(7)), Ok(Some(Part { id: 7, tags: vec![] })));
    assert_eq!(block_on(store.part(8)), Ok(None));
    assert_eq!(block_on(store.part(0)).unwrap_err().name(), "forbidden");
}

#[test]
fn structs_fill_the_path_and_the_query() {
    serve::<store::Service>();
    let mut session = Session::join("- -").unwrap();
    session.set_property("who", "me");
    let store = StoreClient::new(client("store@^1").session(&session));
    let place = Place { shelf: 3, aisle: "b/c".into() };
    let page = Page { size: 5, after: Some("x y".into()) };
    assert_eq!(block_on(store.parts_at(place, page)).unwrap(), ["b/c", "3", "105", "me"]);
}

#[test]
fn bodies_and_statuses_pass() {
    let store = client_of_store();
    let part = Part { id: 7, tags: vec!["a".into()] };
    assert_eq!(block_on(store.store(7, part.clone())).unwrap(), 201);
    assert_eq!(block_on(store.store(8, part)).unwrap(), 409);
    assert_eq!(block_on(store.note("hm".into())).unwrap(), "noted: hm");
    assert_eq!(block_on(store.clear()), Ok(()));
    let upper = block_on(store.upper("abc".into())).unwrap();
    assert_eq!(block_on(upper.collect()).unwrap(), b"ABC");
}
