//! Namespaces: listing, loading, making, changing, dropping.
//!
//! A namespace exists because somebody made it, because a database feeds it, or because one below it exists. Its parents
//! need not. Its `location` says where Trino wants its tables to be; it is what the client said, or where the lake puts
//! them. Nothing is opened by it: storage credentials come from where a table *is*.

use std::collections::{BTreeMap, BTreeSet};

use lake_api::scope::{Access, Action, NAMESPACE_SEPARATOR};
use lake_api::token::Claims;
use lake_host::{ShardStorage, WriteBatch, durable};
use serde::Deserialize;
use serde_json::json;

use super::idempotency::Once;
use super::query::Query;
use super::route::{NamespaceRoute, display, namespace_of};
use super::{Caller, RestError, RestResponse};
use crate::catalog::Catalog;
use crate::limits::{NAME_BYTES_MAX, NAMESPACE_PROPERTIES_BYTES_MAX};
use crate::location::namespace_folder;
use crate::storage::namespace::{self, Namespace};
use crate::storage::{pointer, view};

const LOCATION: &str = "location";

#[derive(Deserialize)]
struct CreateNamespace {
    namespace: Vec<String>,
    // Some clients send null.
    properties: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct UpdateProperties {
    removals: Option<Vec<String>>,
    updates: Option<BTreeMap<String, String>>,
}

impl<S: ShardStorage> Catalog<S> {
    pub(super) fn answer_namespace(
        &self,
        route: &NamespaceRoute,
        query: &Query,
        caller: &Caller<'_>,
    ) -> Result<RestResponse, RestError> {
        match route {
            NamespaceRoute::List => self.list_namespaces(query, caller.claims),
            NamespaceRoute::Create => self.create_namespace(caller),
            NamespaceRoute::Load(namespace) => self.load_namespace(namespace, caller.claims),
            NamespaceRoute::Exists(namespace) => {
                self.must_see(namespace, caller.claims).map(|_| RestResponse::no_content())
            }
            NamespaceRoute::Drop(namespace) => self.drop_namespace(namespace, caller),
            NamespaceRoute::SetProperties(namespace) => self.set_namespace_properties(namespace, caller),
        }
    }

    /// Those below `parent`, or at the top, of which the caller may know.
    fn list_namespaces(&self, query: &Query, claims: &Claims) -> Result<RestResponse, RestError> {
        let visible = namespace::names(&self.storage)?;
        let visible: Vec<String> = visible.into_iter().filter(|name| claims.may(Action::SeeNamespace(name))).collect();
        let parent = match query.find("parent").filter(|parent| !parent.is_empty()) {
            None => String::new(),
            Some(parent) => {
                let prefix = format!("{}{NAMESPACE_SEPARATOR}", namespace_of(parent)?);
                if !visible.iter().any(|name| name == parent || name.starts_with(&prefix)) {
                    return Err(RestError::NoSuchNamespace(display(parent)));
                }
                prefix
            }
        };
        // A level exists if something below it does.
        let children: BTreeSet<String> = visible
            .iter()
            .filter_map(|name| name.strip_prefix(&parent))
            .filter_map(|rest| rest.split(NAMESPACE_SEPARATOR).next())
            .map(|level| format!("{parent}{level}"))
            .collect();
        let (names, next) = query.page()?.cut(children.into_iter().collect());
        let namespaces: Vec<Vec<&str>> = names.iter().map(|name| levels(name)).collect();
        Ok(RestResponse::value(&json!({"namespaces": namespaces, "next-page-token": next})))
    }

    fn load_namespace(&self, name: &str, claims: &Claims) -> Result<RestResponse, RestError> {
        let namespace = self.must_see(name, claims)?;
        let properties = self.shown_properties(name, namespace);
        Ok(RestResponse::value(&json!({"namespace": levels(name), "properties": properties})))
    }

    fn create_namespace(&self, caller: &Caller<'_>) -> Result<RestResponse, RestError> {
        let asked: CreateNamespace = caller.body()?;
        let name = join(&asked.namespace)?;
        self.must_write(&name, caller.claims)?;
        let once = self.once(caller)?;
        if self.was_done(once.as_ref(), caller)? {
            return self.load_namespace(&name, caller.claims);
        }
        // A level that exists only because of what is below it can still be made.
        if namespace::read(&self.storage, &name)?.is_some() {
            return Err(RestError::AlreadyExists(format!("Namespace already exists: {}", display(&name))));
        }
        let namespace = Namespace { properties: asked.properties.unwrap_or_default() };
        self.put_namespace(&name, &namespace, once.as_ref(), caller)?;
        let properties = self.shown_properties(&name, namespace);
        Ok(RestResponse::value(&json!({"namespace": asked.namespace, "properties": properties})))
    }

    fn set_namespace_properties(&self, name: &str, caller: &Caller<'_>) -> Result<RestResponse, RestError> {
        self.must_write(name, caller.claims)?;
        let asked: UpdateProperties = caller.body()?;
        let (removals, updates) = (asked.removals.unwrap_or_default(), asked.updates.unwrap_or_default());
        let removals: BTreeSet<String> = removals.into_iter().collect();
        if let Some(both) = removals.iter().find(|key| updates.contains_key(*key)) {
            return Err(RestError::Unprocessable(format!("The property {both} is both removed and updated")));
        }
        let once = self.once(caller)?;
        let mut namespace = self.must_see(name, caller.claims)?;
        if self.was_done(once.as_ref(), caller)? {
            let updated: Vec<&String> = updates.keys().collect();
            return Ok(RestResponse::value(&json!({"updated": updated, "removed": removals, "missing": []})));
        }
        let (removed, missing): (Vec<String>, Vec<String>) =
            removals.into_iter().partition(|key| namespace.properties.remove(key).is_some());
        let updated: Vec<String> = updates.keys().cloned().collect();
        namespace.properties.extend(updates);
        if !(removed.is_empty() && updated.is_empty()) {
            self.put_namespace(name, &namespace, once.as_ref(), caller)?;
        }
        Ok(RestResponse::value(&json!({"updated": updated, "removed": removed, "missing": missing})))
    }

    /// Only an empty one: what a database feeds would come back with its next row.
    fn drop_namespace(&self, name: &str, caller: &Caller<'_>) -> Result<RestResponse, RestError> {
        self.must_write(name, caller.claims)?;
        let once = self.once(caller)?;
        if self.was_done(once.as_ref(), caller)? {
            return Ok(RestResponse::no_content());
        }
        self.must_see(name, caller.claims)?;
        let holds = if !pointer::names(&self.storage, name)?.is_empty() {
            "tables"
        } else if !view::names(&self.storage, name)?.is_empty() {
            "views"
        } else if namespace::has_children(&self.storage, name)? {
            "namespaces"
        } else {
            let mut batch = WriteBatch::new();
            namespace::remove(&mut batch, name);
            self.put_if_once(&mut batch, once.as_ref(), 204, caller)?;
            durable!("catalog: drop a namespace", self.apply(&batch))?;
            return Ok(RestResponse::no_content());
        };
        Err(RestError::NamespaceNotEmpty(format!("Namespace {} is not empty: it contains {holds}", display(name))))
    }

    fn put_namespace(
        &self,
        name: &str,
        namespace: &Namespace,
        once: Option<&Once>,
        caller: &Caller<'_>,
    ) -> Result<(), RestError> {
        let bytes: usize = namespace.properties.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes > NAMESPACE_PROPERTIES_BYTES_MAX {
            return Err(RestError::BadRequest(format!(
                "The properties of a namespace are at most {NAMESPACE_PROPERTIES_BYTES_MAX} bytes"
            )));
        }
        let mut batch = WriteBatch::new();
        namespace::put(&mut batch, name, namespace)?;
        self.put_if_once(&mut batch, once, 200, caller)?;
        Ok(durable!("catalog: put a namespace", self.apply(&batch))?)
    }

    /// The properties with the location, which Trino puts the tables that it makes below.
    fn shown_properties(&self, name: &str, namespace: Namespace) -> BTreeMap<String, String> {
        let mut properties = namespace.properties;
        properties
            .entry(LOCATION.to_owned())
            .or_insert_with(|| format!("s3://{}/{}", self.settings.bucket, namespace_folder(name)));
        properties
    }

    /// The namespace, if the caller may know of it.
    pub(super) fn must_see(&self, name: &str, claims: &Claims) -> Result<Namespace, RestError> {
        if !claims.may(Action::SeeNamespace(name)) {
            return Err(RestError::Forbidden(format!("The token has no scope in namespace {}", display(name))));
        }
        match namespace::read(&self.storage, name)? {
            Some(namespace) => Ok(namespace),
            None if namespace::exists(&self.storage, name)? => Ok(Namespace::default()),
            None => Err(RestError::NoSuchNamespace(display(name))),
        }
    }

    /// Refuses who may not change the namespace. They do not learn whether it is there.
    fn must_write(&self, name: &str, claims: &Claims) -> Result<(), RestError> {
        if claims.may(Action::Namespace(name, Access::Write)) {
            return Ok(());
        }
        Err(RestError::Forbidden(format!("The token does not allow to write namespace {}", display(name))))
    }
}

/// The levels of a namespace.
pub(super) fn levels(namespace: &str) -> Vec<&str> {
    namespace.split(NAMESPACE_SEPARATOR).collect()
}

/// A namespace out of its levels.
pub(super) fn join(levels: &[String]) -> Result<String, RestError> {
    let invalid = |why: &str| Err(RestError::BadRequest(format!("A namespace {why}")));
    if levels.is_empty() {
        return invalid("has at least one level");
    }
    if levels.iter().any(|level| level.contains(NAMESPACE_SEPARATOR)) {
        return invalid("has a level with the character that separates levels");
    }
    let name = levels.join(&NAMESPACE_SEPARATOR.to_string());
    if name.len() > NAME_BYTES_MAX {
        return invalid(&format!("is longer than {NAME_BYTES_MAX} bytes"));
    }
    namespace_of(&name)
}
