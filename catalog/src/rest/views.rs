//! Views: listing, making, loading, changing, renaming, dropping.
//!
//! A view is a pointer to an immutable `metadata.json`, moved as a table's is: write the file, look again, swap. The
//! server does what a client would after a conflict: it takes the view as it is then and applies the commit to that. A
//! view's `location` is what the client asked for, as text; where its files lie is decided here.

use std::rc::Rc;

use lake_api::scope::{Access, Action};
use lake_api::token::Claims;
use lake_host::{AlarmChange, Object, ObjectStore, ShardStorage, WriteBatch, durable};
use lake_table::TableName;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::idempotency::{Once, cannot_show};
use super::namespaces::{join, levels};
use super::query::Query;
use super::route::{ViewRoute, display};
use super::{Caller, RestError, RestResponse};
use crate::cache::MetadataFile;
use crate::catalog::{Catalog, get_at_most, metadata_location};
use crate::create::check_name;
use crate::error::CatalogError;
use crate::limits::{DROPPED_SECONDS, VIEW_BYTES_MAX, VIEW_COMMIT_ATTEMPTS};
use crate::location::{WAREHOUSE, key_of, namespace_folder, view_folder};
use crate::storage::dropped_view::{self, DroppedView};
use crate::storage::view::{self as pointers, ViewPointer};
use crate::storage::{namespace, pointer, purge};
use crate::view::{self, NewView, ViewMetadata, ViewRequirement, ViewUpdate};

#[derive(Deserialize)]
struct CommitView {
    // Some clients leave them out.
    #[serde(default)]
    requirements: Vec<ViewRequirement>,
    updates: Vec<ViewUpdate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RegisterView {
    name: String,
    metadata_location: String,
}

#[derive(Deserialize)]
struct Identifier {
    namespace: Vec<String>,
    name: String,
}

#[derive(Deserialize)]
struct RenameView {
    source: Identifier,
    destination: Identifier,
}

impl<S: ShardStorage> Catalog<S> {
    pub(super) async fn answer_view(
        &self,
        route: &ViewRoute,
        query: &Query,
        caller: &Caller<'_>,
        store: &impl ObjectStore,
    ) -> Result<RestResponse, RestError> {
        match route {
            ViewRoute::List(namespace) => self.list_views(namespace, query, caller.claims),
            ViewRoute::Create(namespace) => self.create_view(namespace, caller, store).await,
            ViewRoute::Load(view) => self.show_view(view, caller, store, RestError::from).await,
            ViewRoute::Exists(view) => self.must_read_view(view, caller.claims).map(|_| RestResponse::no_content()),
            ViewRoute::Commit(view) => self.commit_view(view, caller, store).await,
            ViewRoute::Drop(view) => self.drop_view(view, caller),
            ViewRoute::Register(namespace) => self.register_view(namespace, caller, store).await,
            ViewRoute::Rename => self.rename_view(caller),
        }
    }

    /// Those of a namespace that the caller may read.
    fn list_views(&self, namespace: &str, query: &Query, claims: &Claims) -> Result<RestResponse, RestError> {
        self.must_see(namespace, claims)?;
        let mut names = pointers::names(&self.storage, namespace)?;
        names.retain(|name| claims.may(Action::Table(namespace, name, Access::Read)));
        let (names, next) = query.page()?.cut(names);
        let levels = levels(namespace);
        let identifiers: Vec<Value> = names.iter().map(|name| json!({"namespace": levels, "name": name})).collect();
        Ok(RestResponse::value(&json!({"identifiers": identifiers, "next-page-token": next})))
    }

    /// The view; `unreadable` is what a client is told if its metadata cannot be read.
    async fn show_view(
        &self,
        view: &TableName,
        caller: &Caller<'_>,
        store: &impl ObjectStore,
        unreadable: fn(CatalogError) -> RestError,
    ) -> Result<RestResponse, RestError> {
        let pointer = self.must_read_view(view, caller.claims)?;
        let file = self.read_metadata(store, &pointer.metadata_location).await.map_err(unreadable)?;
        Ok(answer(&pointer, &file))
    }

    async fn create_view(
        &self,
        namespace: &str,
        caller: &Caller<'_>,
        store: &impl ObjectStore,
    ) -> Result<RestResponse, RestError> {
        let new: NewView = caller.body()?;
        let view = name_of(namespace, &new.name)?;
        self.must_be_allowed_view(&view, caller.claims, Access::Write)?;
        let once = self.once(caller)?;
        if self.was_done(once.as_ref(), caller)? {
            return self.show_view(&view, caller, store, cannot_show).await;
        }
        self.must_be_free(&view, caller.claims)?;
        let uuid = random_uuid(caller);
        let folder = self.view_location(&view, caller);
        let metadata = view::create(new, uuid.to_string(), folder.clone()).map_err(RestError::IllegalArgument)?;
        let pointer =
            ViewPointer { metadata_location: metadata_location(&folder, 0, caller.random.id()), folder, version: 0 };
        let file = self.write_view(store, &pointer, &metadata).await?;
        // Other requests ran during the write.
        self.must_be_free(&view, caller.claims)?;
        self.swap_view(&view, &pointer, &file, once.as_ref(), caller)
    }

    async fn register_view(
        &self,
        namespace: &str,
        caller: &Caller<'_>,
        store: &impl ObjectStore,
    ) -> Result<RestResponse, RestError> {
        let asked: RegisterView = caller.body()?;
        let view = name_of(namespace, &asked.name)?;
        self.must_be_allowed_view(&view, caller.claims, Access::Write)?;
        let once = self.once(caller)?;
        if self.was_done(once.as_ref(), caller)? {
            return self.show_view(&view, caller, store, cannot_show).await;
        }
        self.must_be_free(&view, caller.claims)?;
        let key = self.must_reach(namespace, &asked.metadata_location, caller.claims)?.to_owned();
        let missing = || RestError::NotFound(format!("Location does not exist: {}", asked.metadata_location));
        let object = get_at_most(store, &key, VIEW_BYTES_MAX as u64).await.map_err(CatalogError::ObjectStore)?;
        let Object { info, bytes } = object.ok_or_else(missing)?;
        if info.size > VIEW_BYTES_MAX as u64 {
            return Err(RestError::BadRequest("The metadata is too large for a view's".to_owned()));
        }
        ViewMetadata::decode(&bytes).map_err(|error| RestError::BadRequest(error.to_string()))?;
        let folder = self.view_location(&view, caller);
        let pointer = ViewPointer { metadata_location: asked.metadata_location, folder, version: 0 };
        // Other requests ran during the reads.
        self.must_be_free(&view, caller.claims)?;
        if purge::takes(&self.storage, &key)? {
            return Err(RestError::BadRequest(format!("The files at {} are purged", pointer.metadata_location)));
        }
        self.swap_view(&view, &pointer, &Rc::new(MetadataFile::new(bytes)), once.as_ref(), caller)
    }

    async fn commit_view(
        &self,
        view: &TableName,
        caller: &Caller<'_>,
        store: &impl ObjectStore,
    ) -> Result<RestResponse, RestError> {
        self.must_be_allowed_view(view, caller.claims, Access::Write)?;
        let asked: CommitView = caller.body()?;
        let once = self.once(caller)?;
        if self.was_done(once.as_ref(), caller)? {
            return self.show_view(view, caller, store, cannot_show).await;
        }
        for _attempt in 0..VIEW_COMMIT_ATTEMPTS {
            let before = self.must_find_view(view)?;
            let held = self.read_metadata(store, &before.metadata_location).await?;
            let base = ViewMetadata::decode(held.json())?;
            view::check(&base, &asked.requirements).map_err(RestError::CommitFailed)?;
            let now_ms = caller.now_micros.div_euclid(1_000);
            let changed = view::commit(&base, &asked.updates, now_ms).map_err(RestError::IllegalArgument)?;
            if changed == base {
                return Ok(answer(&before, &held));
            }
            let version = before.version.saturating_add(1);
            let pointer = ViewPointer {
                metadata_location: metadata_location(&before.folder, version, caller.random.id()),
                folder: before.folder.clone(),
                version,
            };
            let file = self.write_view(store, &pointer, &changed).await?;
            if pointers::read(&self.storage, view)?.as_ref() == Some(&before) {
                return self.swap_view(view, &pointer, &file, once.as_ref(), caller);
            }
        }
        Err(RestError::CommitFailed(format!("Cannot commit {}: others committed each time", name(view))))
    }

    fn drop_view(&self, view: &TableName, caller: &Caller<'_>) -> Result<RestResponse, RestError> {
        self.must_be_allowed_view(view, caller.claims, Access::Write)?;
        let once = self.once(caller)?;
        if self.was_done(once.as_ref(), caller)? {
            return Ok(RestResponse::no_content());
        }
        let pointer = self.must_find_view(view)?;
        let mut batch = WriteBatch::new();
        pointers::remove(&mut batch, view);
        // A dropped view comes back by registering its metadata, so its files stay as long as a dropped table's.
        let due_micros = caller.now_micros.saturating_add(DROPPED_SECONDS.saturating_mul(1_000_000));
        let folder = self.must_key(&pointer.folder)?.to_owned();
        dropped_view::put(&mut batch, &self.storage, &DroppedView { due_micros, folder })?;
        batch.alarm = Some(AlarmChange::NoLaterThan(due_micros));
        self.put_if_once(&mut batch, once.as_ref(), 204, caller)?;
        durable!("catalog: drop a view", self.apply(&batch))?;
        Ok(RestResponse::no_content())
    }

    fn rename_view(&self, caller: &Caller<'_>) -> Result<RestResponse, RestError> {
        let asked: RenameView = caller.body()?;
        let source = name_of(&join(&asked.source.namespace)?, &asked.source.name)?;
        let target = name_of(&join(&asked.destination.namespace)?, &asked.destination.name)?;
        self.must_be_allowed_view(&source, caller.claims, Access::Write)?;
        self.must_be_allowed_view(&target, caller.claims, Access::Write)?;
        let once = self.once(caller)?;
        if self.was_done(once.as_ref(), caller)? {
            return Ok(RestResponse::no_content());
        }
        let pointer = self.must_find_view(&source)?;
        if source == target {
            return Ok(RestResponse::no_content());
        }
        if !namespace::exists(&self.storage, &target.namespace)? {
            return Err(RestError::NoSuchNamespace(display(&target.namespace)));
        }
        let taken = |what: &str| {
            let (source, target) = (name(&source), name(&target));
            RestError::AlreadyExists(format!("Cannot rename {source} to {target}. {what} already exists"))
        };
        if pointers::view_exists(&self.storage, &target)? {
            return Err(taken("View"));
        }
        if pointer::read(&self.storage, &target)?.is_some() {
            return Err(taken("Table"));
        }
        let mut batch = WriteBatch::new();
        pointers::remove(&mut batch, &source);
        pointers::put(&mut batch, &target, &pointer)?;
        self.put_if_once(&mut batch, once.as_ref(), 204, caller)?;
        durable!("catalog: rename a view", self.apply(&batch))?;
        Ok(RestResponse::no_content())
    }

    /// Refuses to make a view where the caller may not, where there is no namespace, or where the name is taken.
    fn must_be_free(&self, view: &TableName, claims: &Claims) -> Result<(), RestError> {
        self.must_be_allowed_view(view, claims, Access::Write)?;
        if !namespace::exists(&self.storage, &view.namespace)? {
            return Err(RestError::NoSuchNamespace(display(&view.namespace)));
        }
        if pointer::read(&self.storage, view)?.is_some() {
            return Err(RestError::AlreadyExists(format!("Table with same name already exists: {}", name(view))));
        }
        if pointers::view_exists(&self.storage, view)? {
            return Err(RestError::AlreadyExists(format!("View already exists: {}", name(view))));
        }
        Ok(())
    }

    /// The key of a file that may become a view of the namespace: one of the namespace's own, or of any other namespace
    /// for who may read the whole lake.
    fn must_reach<'a>(&self, namespace: &str, location: &'a str, claims: &Claims) -> Result<&'a str, RestError> {
        let is_below = |key: &str, folder: &str| key.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        let key = key_of(location, &self.settings.bucket).filter(|key| is_below(key, WAREHOUSE));
        let odd = |key: &str| key.split('/').any(|part| matches!(part, "" | "." | ".."));
        let key = key.filter(|key| !odd(key)).ok_or_else(|| {
            RestError::BadRequest(format!(
                "{location} is not in the warehouse s3://{}/{WAREHOUSE}",
                self.settings.bucket
            ))
        })?;
        if is_below(key, &namespace_folder(namespace)) && claims.may(Action::Namespace(namespace, Access::Read))
            || claims.may(Action::Lake(Access::Read))
        {
            return Ok(key);
        }
        Err(RestError::Forbidden(format!("The token does not allow to read {location}")))
    }

    async fn write_view(
        &self,
        store: &impl ObjectStore,
        pointer: &ViewPointer,
        metadata: &ViewMetadata,
    ) -> Result<Rc<MetadataFile>, RestError> {
        let file = Rc::new(MetadataFile::new(metadata.encode()?));
        let location = &pointer.metadata_location;
        durable!("catalog: put a view's metadata", self.write_metadata(store, location, &file).await)?;
        Ok(file)
    }

    fn swap_view(
        &self,
        view: &TableName,
        pointer: &ViewPointer,
        file: &Rc<MetadataFile>,
        once: Option<&Once>,
        caller: &Caller<'_>,
    ) -> Result<RestResponse, RestError> {
        let mut batch = WriteBatch::new();
        pointers::put(&mut batch, view, pointer)?;
        self.put_if_once(&mut batch, once, 200, caller)?;
        durable!("catalog: swap a view", self.apply(&batch))?;
        self.cache.borrow_mut().keep(&pointer.metadata_location, file);
        Ok(answer(pointer, file))
    }

    /// A folder that nothing was in before: it has a random name.
    fn view_location(&self, view: &TableName, caller: &Caller<'_>) -> String {
        format!("s3://{}/{}", self.settings.bucket, view_folder(view, random_uuid(caller)))
    }

    fn must_find_view(&self, view: &TableName) -> Result<ViewPointer, RestError> {
        pointers::read(&self.storage, view)?.ok_or_else(|| RestError::NoSuchView(name(view)))
    }

    fn must_read_view(&self, view: &TableName, claims: &Claims) -> Result<ViewPointer, RestError> {
        self.must_be_allowed_view(view, claims, Access::Read)?;
        self.must_find_view(view)
    }

    /// Who may not does not learn whether it is there. Views are named by the scopes of tables.
    fn must_be_allowed_view(&self, view: &TableName, claims: &Claims, access: Access) -> Result<(), RestError> {
        if claims.may(Action::Table(&view.namespace, &view.name, access)) {
            return Ok(());
        }
        Err(RestError::Forbidden(format!("The token does not allow to {access} view {}", name(view))))
    }
}

fn random_uuid(caller: &Caller<'_>) -> Uuid {
    uuid::Builder::from_random_bytes(caller.random.id()).into_uuid()
}

fn name(view: &TableName) -> String {
    format!("{}.{}", display(&view.namespace), view.name)
}

fn name_of(namespace: &str, name: &str) -> Result<TableName, RestError> {
    check_name(name)?;
    Ok(TableName { namespace: namespace.to_owned(), name: name.to_owned() })
}

/// The file's own bytes, as with tables.
fn answer(pointer: &ViewPointer, file: &MetadataFile) -> RestResponse {
    let location = json!(pointer.metadata_location).to_string();
    let body = [br#"{"metadata-location":"#, location.as_bytes(), br#","config":{},"metadata":"#, file.json(), b"}"];
    RestResponse::json(200, body.concat())
}
