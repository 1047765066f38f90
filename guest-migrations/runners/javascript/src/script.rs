//! A script, read and evaluated, with its exports at hand.

use std::cell::RefCell;

use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{
    CatchResultExt as _, CaughtError, Context, Ctx, Error, Exception, Function, Module, Object,
    Persistent, Result, Runtime, Value,
};

use crate::bindings::Form;
use crate::bindings::wasmigrate::runner::script as given;
use crate::failure::{Thrown, describe};
use crate::report;

/// The name under which scripts import what the runner offers.
pub(crate) const BUILT_IN: &str = "wasmigrate";

/// What of the runner is written in JavaScript.
const PRELUDE: &str = include_str!("prelude.js");

/// What QuickJS says of the names by which the older modules of Node.js are told.
const NODES: [&str; 3] = [
    "exports is not defined",
    "module is not defined",
    "require is not defined",
];
/// What QuickJS says of a name that a module does not export: in TypeScript it may be one of a type.
const NO_EXPORT: &str = "Could not find export";
const A_TYPE: &str = "a type is imported by `import type`";
const NO_NODE: &str = "this is a module for Node.js; a step is a module of the language itself, with `export function migrate(db)`";

/// An evaluated script.
pub(crate) struct Script {
    context: Context,
    exports: Persistent<Object<'static>>,
    /// The object `db`, which a script is handed.
    database: Persistent<Value<'static>>,
    /// Makes a position of what a checkpoint has kept of it.
    resumed: Persistent<Function<'static>>,
    /// The default export, where it is a transformation.
    transformation: Option<Persistent<Object<'static>>>,
    /// Kept for as long as anything of it is used.
    _runtime: Runtime,
}

impl Script {
    /// Reads the script and evaluates it; on failure says why, and where.
    pub(crate) fn load() -> std::result::Result<Self, String> {
        let mut modules = given::modules();
        if modules.is_empty() {
            return Err("the host gave no script".to_owned());
        }
        let main = modules.remove(0);
        let failed = |error: Error| error.to_string();
        let runtime = Runtime::new().map_err(failed)?;
        let known = Modules {
            names: modules.iter().map(|module| module.name.clone()).collect(),
        };
        UNHANDLED.take();
        runtime.set_host_promise_rejection_tracker(Some(Box::new(track)));
        runtime.set_loader(known, Texts(modules));
        let context = Context::full(&runtime).map_err(failed)?;
        let evaluated = context.with(|ctx| {
            evaluate(&ctx, &main).catch(&ctx).map_err(|error| {
                let message = Thrown::of(&ctx, error).message;
                let is_typescript = main.name.to_ascii_lowercase().ends_with(".ts");
                if NODES.iter().any(|name| message.contains(name)) {
                    format!("{message}: {NO_NODE}")
                } else if is_typescript && message.contains(NO_EXPORT) {
                    format!("{message}: {A_TYPE}")
                } else {
                    message
                }
            })
        });
        let Evaluated {
            exports,
            database,
            resumed,
            transformation,
        } = evaluated?;
        Ok(Self {
            context,
            exports,
            database,
            resumed,
            transformation,
            _runtime: runtime,
        })
    }

    /// What the script is.
    pub(crate) fn form(&self) -> Form {
        match self.transformation {
            Some(_) => Form::Transformation,
            None => Form::Step,
        }
    }

    /// Does something with the script's exports and the database; what is thrown comes back with its place.
    #[cfg(feature = "step")]
    pub(crate) fn with_exports<T>(
        &self,
        act: impl for<'js> FnOnce(&Ctx<'js>, Restored<'js>) -> Result<T>,
    ) -> std::result::Result<T, Thrown> {
        self.context.with(|ctx| {
            let restored = || {
                Ok(Restored {
                    exports: self.exports.clone().restore(&ctx)?,
                    database: self.database.clone().restore(&ctx)?,
                    resumed: self.resumed.clone().restore(&ctx)?,
                })
            };
            let result = restored().and_then(|restored| act(&ctx, restored));
            result.catch(&ctx).map_err(|error| Thrown::of(&ctx, error))
        })
    }

    /// The same with its transformation.
    #[cfg(feature = "transform")]
    pub(crate) fn with_transformation<T>(
        &self,
        act: impl for<'js> FnOnce(&Ctx<'js>, Object<'js>) -> Result<T>,
    ) -> std::result::Result<T, Thrown> {
        self.context.with(|ctx| {
            let result = match self.transformation.clone() {
                Some(transformation) => transformation
                    .restore(&ctx)
                    .and_then(|transformation| act(&ctx, transformation)),
                None => Err(Exception::throw_type(
                    &ctx,
                    "the script is no transformation",
                )),
            };
            result.catch(&ctx).map_err(|error| Thrown::of(&ctx, error))
        })
    }
}

/// What a step is called with.
#[cfg(feature = "step")]
pub(crate) struct Restored<'js> {
    pub(crate) exports: Object<'js>,
    pub(crate) database: Value<'js>,
    pub(crate) resumed: Function<'js>,
}

struct Evaluated {
    exports: Persistent<Object<'static>>,
    database: Persistent<Value<'static>>,
    resumed: Persistent<Function<'static>>,
    transformation: Option<Persistent<Object<'static>>>,
}

fn evaluate(ctx: &Ctx<'_>, main: &given::Module) -> Result<Evaluated> {
    let host = Object::new(ctx.clone())?;
    #[cfg(feature = "step")]
    crate::database::offer(ctx, &host)?;
    report::offer(ctx, &host)?;
    crate::text::offer(ctx, &host)?;
    ctx.globals().set("__host", host.clone())?;
    // The prelude takes the host's functions for itself: scripts reach them through it alone.
    run(ctx, BUILT_IN, PRELUDE)?;
    let is_transformation: Function<'_> = host.get("isTransformation")?;
    let exports = run(ctx, &main.name, &main.text)?;
    let default: Value<'_> = exports.get("default")?;
    let transformation = match is_transformation.call((default.clone(),))? {
        true => default.into_object(),
        false => None,
    };
    match transformation {
        Some(_) if function(&exports, "migrate")?.is_some() => {
            return Err(Exception::throw_type(
                ctx,
                "the script exports both `migrate` and a transformation: make two files of it",
            ));
        }
        Some(_) => {}
        None => check_step(ctx, &exports)?,
    }
    Ok(Evaluated {
        database: Persistent::save(ctx, host.get::<_, Value<'_>>("db")?),
        resumed: Persistent::save(ctx, host.get::<_, Function<'_>>("resumed")?),
        exports: Persistent::save(ctx, exports),
        transformation: transformation.map(|object| Persistent::save(ctx, object)),
    })
}

/// The functions that a step may export.
const FUNCTIONS: [&str; 5] = ["migrate", "finalize", "reset", "check", "count"];

fn check_step<'js>(ctx: &Ctx<'js>, exports: &Object<'js>) -> Result<()> {
    let migrate: Value<'_> = exports.get("migrate")?;
    if !migrate.is_function() {
        return Err(Exception::throw_type(
            ctx,
            "the script exports neither a function `migrate` nor, as its default, a `transform({ … })`",
        ));
    }
    for name in FUNCTIONS {
        function(exports, name)?;
    }
    let transactional: Value<'_> = exports.get("transactional")?;
    if !transactional.is_undefined() && !transactional.is_bool() {
        return Err(Exception::throw_type(
            ctx,
            "the export `transactional` is true or false",
        ));
    }
    let summary: Value<'_> = exports.get("summary")?;
    match summary.is_undefined() || summary.is_string() {
        true => Ok(()),
        false => Err(Exception::throw_type(ctx, "the export `summary` is a text")),
    }
}

/// Evaluates a module and whatever it waits for, and returns its exports.
fn run<'js>(ctx: &Ctx<'js>, name: &str, text: &str) -> Result<Object<'js>> {
    let module = Module::declare(ctx.clone(), name, text)?;
    let (module, promise) = module.eval()?;
    finish(ctx, promise.into_value())?;
    module.namespace()
}

/// The value of a promise that needs nothing from outside; any other value is itself. Whatever else was begun is done, too: a
/// forgotten `await` loses nothing, and what is thrown there is thrown here.
pub(crate) fn finish<'js>(ctx: &Ctx<'js>, value: Value<'js>) -> Result<Value<'js>> {
    while ctx.execute_pending_job() {}
    let value = match value.as_promise() {
        None => value,
        Some(promise) => match promise.finish::<Value<'js>>() {
            Err(Error::WouldBlock) => {
                return Err(Exception::throw_type(
                    ctx,
                    "the script waits for something that never comes: nothing in the sandbox is asynchronous",
                ));
            }
            result => result?,
        },
    };
    match UNHANDLED.take().into_iter().next() {
        None => Ok(value),
        Some(message) => Err(Exception::throw_message(
            ctx,
            &format!("a promise that nobody waits for was rejected: {message}"),
        )),
    }
}

thread_local! {
    /// What promises were rejected with as long as nobody has asked for their results.
    static UNHANDLED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn track<'js>(ctx: Ctx<'js>, _: Value<'js>, reason: Value<'js>, is_handled: bool) {
    let error = ctx.throw(reason);
    let message = Thrown::of(&ctx, CaughtError::from_error(&ctx, error)).message;
    UNHANDLED.with_borrow_mut(|unhandled| match is_handled {
        false => unhandled.push(message),
        true => unhandled.retain(|known| *known != message),
    });
}

/// An exported function, where there is one.
pub(crate) fn function<'js>(exports: &Object<'js>, name: &str) -> Result<Option<Function<'js>>> {
    let value: Value<'js> = exports.get(name)?;
    if value.is_undefined() || value.is_null() {
        return Ok(None);
    }
    match value.into_function() {
        Some(function) => Ok(Some(function)),
        None => Err(Exception::throw_type(
            exports.ctx(),
            &format!("the export `{name}` is no function"),
        )),
    }
}

/// Finds the modules that a script imports.
struct Modules {
    names: Vec<String>,
}

impl Resolver for Modules {
    fn resolve<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        base: &str,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        if name == BUILT_IN {
            return Ok(name.to_owned());
        }
        if let Some(path) = joined(base, name)
            && self.names.contains(&path)
        {
            return Ok(path);
        }
        Err(Exception::throw_reference(ctx, &describe(base, name)))
    }
}

/// The path that a relative one means, seen from the module `base`.
fn joined(base: &str, name: &str) -> Option<String> {
    if !name.starts_with("./") && !name.starts_with("../") {
        return None;
    }
    let mut parts: Vec<&str> = base.split('/').collect();
    parts.pop();
    for part in name.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Gives them when they are asked for.
struct Texts(Vec<given::Module>);

impl Loader for Texts {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        match self.0.iter().find(|module| module.name == name) {
            Some(module) => Module::declare(ctx.clone(), name, module.text.as_str()),
            None => Err(Error::new_loading(name)),
        }
    }
}
