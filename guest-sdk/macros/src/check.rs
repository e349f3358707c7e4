//! From the tokens of a module to a service that can be emitted.

use std::collections::HashMap;

use proc_macro2::TokenStream;
use syn::{Attribute, Ident, Item, ItemFn, ItemMod, Result};

use crate::{
    args::ServiceArgs,
    method::{Hook, Method, doc},
    once::Once,
    subscription::Subscription,
    timer::Timer,
    websocket::{WebSocket, WebSocketArgs},
};

/// A module whose attributes are all right.
pub(crate) struct Service {
    pub(crate) args: ServiceArgs,
    /// Without the attributes that were read.
    pub(crate) module: ItemMod,
    pub(crate) description: Option<String>,
    pub(crate) methods: Vec<Method>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) timers: Vec<Timer>,
    pub(crate) websockets: Vec<WebSocket>,
    pub(crate) start: Option<Once>,
    pub(crate) stop: Option<Once>,
    pub(crate) before: Vec<Hook>,
    pub(crate) after: Vec<Hook>,
}

/// Checks all there is and shows every mistake at once.
pub(crate) fn service(args: TokenStream, item: TokenStream) -> Result<Service> {
    let args: ServiceArgs = syn::parse2(args)?;
    let Ok(module) = syn::parse2::<ItemMod>(item.clone()) else {
        let text = "`#[service]` belongs on a module: `#[service] mod api { … }`";
        return Err(syn::Error::new_spanned(item, text));
    };
    let description = Some(doc(&module.attrs)).filter(|text| !text.is_empty());
    let mut service = Service {
        args,
        module,
        description,
        methods: Vec::new(),
        subscriptions: Vec::new(),
        timers: Vec::new(),
        websockets: Vec::new(),
        start: None,
        stop: None,
        before: Vec::new(),
        after: Vec::new(),
    };
    service.read_functions()?;
    service.check_methods()?;
    service.check_subscriptions()?;
    service.check_timers()?;
    service.check_websockets()?;
    Ok(service)
}

impl Service {
    fn read_functions(&mut self) -> Result<()> {
        let mut module = self.module.clone();
        let Some((_, items)) = &mut module.content else {
            let text = "a service is written inside of its module: `mod api { … }`, not `mod api;`";
            return Err(syn::Error::new_spanned(module, text));
        };
        let mut mistakes = Mistakes::default();
        for item in items {
            if let Item::Fn(function) = item {
                mistakes.note(self.read_function(function));
            }
        }
        self.module = module;
        mistakes.into_result()
    }

    fn read_function(&mut self, function: &mut ItemFn) -> Result<()> {
        let mut attributes = function.attrs.extract_if(.., |attr| Role::of(attr).is_some());
        let first = attributes.next();
        let second = attributes.next();
        drop(attributes);
        if let Some(second) = second {
            let text = "a function has one role in a service: write a second function";
            return Err(syn::Error::new_spanned(second, text));
        }
        let Some(attribute) = first else { return Ok(()) };
        match Role::of(&attribute) {
            Some(Role::Handler(verb)) => {
                let of = (&*function.attrs, &function.sig);
                self.methods.push(Method::check(verb, &attribute, of, "a handler")?);
            }
            Some(Role::Listener) => {
                self.subscriptions.push(Subscription::check(&attribute, function)?);
            }
            Some(Role::Every) => self.timers.push(Timer::every(&attribute, function)?),
            Some(Role::Cron) => self.timers.push(Timer::cron(&attribute, function)?),
            Some(Role::WebSocket) => {
                self.websockets.push(WebSocket::check(&attribute, function)?);
            }
            Some(Role::Start) => Once::note(&mut self.start, &attribute, function, "start")?,
            Some(Role::Stop) => Once::note(&mut self.stop, &attribute, function, "stop")?,
            Some(Role::Before) => {
                self.before.push(Hook::check(function, "before", "Request")?);
            }
            Some(Role::After) => {
                self.after.push(Hook::check(function, "after", "Response")?);
            }
            None => {}
        }
        Ok(())
    }

    fn check_methods(&self) -> Result<()> {
        let does_anything = !self.methods.is_empty()
            || !self.subscriptions.is_empty()
            || !self.timers.is_empty()
            || !self.websockets.is_empty();
        if !does_anything {
            let text = "a service has at least one method: write a function such as \
                        `#[get(\"/hello\")] async fn hello() -> String { … }`";
            return Err(syn::Error::new_spanned(&self.module.ident, text));
        }
        check_methods(self.methods.iter())
    }

    fn check_subscriptions(&self) -> Result<()> {
        let mut mistakes = Mistakes::default();
        let mut known = HashMap::new();
        for subscription in &self.subscriptions {
            let function = &subscription.function;
            if let Some(earlier) = known.insert(subscription.identity(), function) {
                let text = format!("`{earlier}` hears this already: do it there");
                mistakes.note(Err(syn::Error::new(subscription.args.subject.span(), text)));
            }
        }
        mistakes.into_result()
    }

    fn check_timers(&self) -> Result<()> {
        let mut mistakes = Mistakes::default();
        let mut known = HashMap::new();
        for timer in &self.timers {
            if known.insert(&timer.name, ()).is_some() {
                let text = format!(
                    "there is a timer `{}` already: give this one a `name = \"…\"` of its own",
                    timer.name
                );
                mistakes.note(Err(syn::Error::new(timer.name_span, text)));
            }
        }
        mistakes.into_result()
    }

    /// They share names and routes with the methods.
    fn check_websockets(&self) -> Result<()> {
        let mut mistakes = Mistakes::default();
        let mut names: HashMap<&str, &str> =
            self.methods.iter().map(|method| (&*method.name, "method")).collect();
        let mut routes: HashMap<String, &Ident> = self
            .methods
            .iter()
            .filter(|method| method.verb == "GET")
            .map(|method| (method.args.pattern.shape(), &method.function))
            .collect();
        for websocket in &self.websockets {
            if let Some(what) = names.insert(&websocket.name, "WebSocket") {
                let text = format!(
                    "there is a {what} `{}` already: give this one a `name = \"…\"` of its own",
                    websocket.name
                );
                mistakes.note(Err(syn::Error::new(websocket.name_span, text)));
            }
            let WebSocketArgs { pattern, pattern_span, .. } = &websocket.args;
            if let Some(earlier) = routes.insert(pattern.shape(), &websocket.function) {
                let text = format!(
                    "`GET {}` is answered by `{earlier}` already, and a WebSocket begins as one: \
                     change the pattern",
                    pattern.text
                );
                mistakes.note(Err(syn::Error::new(*pattern_span, text)));
            }
        }
        mistakes.into_result()
    }
}

/// Says which methods cannot be told apart.
pub(crate) fn check_methods<'m>(methods: impl Iterator<Item = &'m Method>) -> Result<()> {
    let mut mistakes = Mistakes::default();
    let (mut names, mut routes) = (HashMap::new(), HashMap::new());
    for method in methods {
        if names.insert(&method.name, ()).is_some() {
            let text = format!(
                "there is a method `{}` already: give this one a `name = \"…\"` of its own",
                method.name
            );
            mistakes.note(Err(syn::Error::new(method.name_span, text)));
        }
        let route = (method.verb, method.args.pattern.shape());
        if let Some(earlier) = routes.insert(route, &method.function) {
            let text = format!(
                "`{} {}` is answered by `{earlier}` already: change the pattern or the verb",
                method.verb, method.args.pattern.text
            );
            mistakes.note(Err(syn::Error::new(method.args.pattern_span, text)));
        }
    }
    mistakes.into_result()
}

/// What an attribute makes of a function.
pub(crate) enum Role {
    Handler(&'static str),
    Listener,
    Every,
    Cron,
    WebSocket,
    Start,
    Stop,
    Before,
    After,
}

impl Role {
    pub(crate) fn of(attribute: &Attribute) -> Option<Self> {
        Some(match attribute.path().segments.last()?.ident.to_string().as_str() {
            "get" => Self::Handler("GET"),
            "post" => Self::Handler("POST"),
            "put" => Self::Handler("PUT"),
            "patch" => Self::Handler("PATCH"),
            "delete" => Self::Handler("DELETE"),
            "on" => Self::Listener,
            "every" => Self::Every,
            "cron" => Self::Cron,
            "websocket" => Self::WebSocket,
            "start" => Self::Start,
            "stop" => Self::Stop,
            "before" => Self::Before,
            "after" => Self::After,
            _ => return None,
        })
    }
}

/// Mistakes found so far.
#[derive(Default)]
pub(crate) struct Mistakes(Option<syn::Error>);

impl Mistakes {
    pub(crate) fn note(&mut self, result: Result<()>) {
        let Err(error) = result else { return };
        match &mut self.0 {
            Some(earlier) => earlier.combine(error),
            None => self.0 = Some(error),
        }
    }

    pub(crate) fn into_result(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}
