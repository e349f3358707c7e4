//! All that the dashboard shows at one moment, and what is new in it.

use axum::body::Bytes;
use serde::Serialize;
use std::collections::BTreeMap;

/// Things of one kind by what they are known by, each as JSON.
#[derive(Debug, Default)]
pub(super) struct Section(BTreeMap<String, String>);

/// What there is at one moment.
#[derive(Debug, Default)]
pub(super) struct Scene {
    /// Of the host alone, as JSON.
    pub(super) host: String,
    /// What of a service stays as it is for a while.
    pub(super) services: Section,
    /// What of it changes with every call.
    pub(super) figures: Section,
    pub(super) modules: Section,
    pub(super) records: Section,
    pub(super) endpoints: Section,
    pub(super) subjects: Section,
    pub(super) listeners: Section,
    pub(super) edges: Section,
}

impl Section {
    pub(super) fn put(&mut self, id: impl Into<String>, thing: &impl Serialize) {
        self.0.insert(id.into(), as_json(thing));
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    /// Members for all of it.
    fn whole(&self) -> String {
        members(self.0.iter().map(|(id, thing)| (id, thing.as_str())))
    }

    /// Members for what is new, changed or gone; none when there is none.
    fn change_since(&self, before: &Self) -> Option<String> {
        let gone = before.0.keys().filter(|id| !self.0.contains_key(*id));
        let gone = gone.map(|id| (id, "null"));
        let new = self.0.iter().filter(|(id, thing)| before.0.get(*id) != Some(*thing));
        let changes: Vec<(&String, &str)> =
            gone.chain(new.map(|(id, thing)| (id, thing.as_str()))).collect();
        (!changes.is_empty()).then(|| members(changes.into_iter()))
    }
}

impl Scene {
    fn sections(&self) -> [(&'static str, &Section); 8] {
        [
            ("services", &self.services),
            ("figures", &self.figures),
            ("modules", &self.modules),
            ("records", &self.records),
            ("endpoints", &self.endpoints),
            ("subjects", &self.subjects),
            ("listeners", &self.listeners),
            ("edges", &self.edges),
        ]
    }

    /// The event that tells of all of it.
    pub(super) fn whole(&self) -> Bytes {
        let sections = self.sections().into_iter();
        self.event("whole", sections.map(|(name, section)| (name, section.whole())))
    }

    /// The event that tells what to change for whoever knows the scene before.
    /// It comes also when nothing has changed: the reader knows that somebody is
    /// there.
    pub(super) fn change_since(&self, before: &Self) -> Bytes {
        let sections = self.sections().into_iter().zip(before.sections());
        let changes = sections.filter_map(|((name, section), (_, before))| {
            section.change_since(before).map(|change| (name, change))
        });
        self.event("change", changes)
    }

    fn event(&self, name: &str, sections: impl Iterator<Item = (&'static str, String)>) -> Bytes {
        let mut text = format!("event: {name}\ndata: {{\"host\":{}", self.host);
        for (name, members) in sections {
            text.push_str(&format!(",\"{name}\":{members}"));
        }
        text.push_str("}\n\n");
        text.into()
    }
}

fn members<'m>(members: impl Iterator<Item = (&'m String, &'m str)>) -> String {
    let mut text = String::from("{");
    for (index, (id, thing)) in members.enumerate() {
        if 0 < index {
            text.push(',');
        }
        text.push_str(&as_json(id));
        text.push(':');
        text.push_str(thing);
    }
    text.push('}');
    text
}

/// JSON has no line breaks of its own.
pub(super) fn as_json(thing: &impl Serialize) -> String {
    serde_json::to_string(thing).unwrap_or_else(|_| "null".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(services: &[(&str, u32)]) -> Scene {
        let mut scene = Scene { host: "{}".to_owned(), ..Scene::default() };
        for (id, number) in services {
            scene.services.put(*id, number);
        }
        scene
    }

    #[test]
    fn a_change_names_what_is_new_changed_and_gone() {
        let before = scene(&[("a", 1), ("b", 1), ("c", 1)]);
        let after = scene(&[("b", 1), ("c", 2), ("d\"", 1)]);
        let change = after.change_since(&before);
        let expected = "event: change\ndata: {\"host\":{},\
            \"services\":{\"a\":null,\"c\":2,\"d\\\"\":1}}\n\n";
        assert_eq!(change, expected);
        assert_eq!(after.change_since(&after), "event: change\ndata: {\"host\":{}}\n\n");
        let whole = String::from_utf8(after.whole().to_vec()).unwrap();
        assert!(whole.starts_with("event: whole\ndata: {\"host\":{},\"services\":{\"b\":1,"));
    }
}
