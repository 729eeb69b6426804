//! Databases and policies come and go: the catalog's changes, and what their end means for points.

use std::sync::Arc;

use weir_catalog::{CatalogError, Database, DatabaseId, PolicyId, Ticket};
use weir_model::admin::{Admin, AdminError, Deletion, PolicyChange, PolicySpec};

use crate::Store;
use crate::background::Work;
use crate::error::WriteError;
use crate::shared::Shared;

/// Makes a database without waiting.
///
/// # Errors
/// [`WriteError`].
pub(crate) fn submit_database(shared: &Shared, name: &str) -> Result<Ticket, WriteError> {
    shared.catalog.submit_database(name, None).map_err(|e| match e {
        AdminError::InvalidName => WriteError::DatabaseNotFound(name.to_owned()),
        e => WriteError::unavailable(e.to_string()),
    })
}

/// Ends the series of policies: queued batches for them are refused, their runs leave the version, their files are removed.
pub(crate) fn end_policies(shared: &Shared, policies: &[PolicyId]) {
    let state = shared.catalog.state();
    shared.change_version(|version| {
        for policy in policies {
            if let Some(series) = version.policies.remove(policy) {
                series.end();
            }
            version.tombstones.forget_policy(*policy);
        }
        version.groups.retain(|group, _| state.group(*group).is_some());
    });
    for policy in policies {
        let path = shared.catalog.dir().join("data").join(policy.to_string());
        shared.nudge(Work::Remove(path));
    }
}

/// The database of this name, with its policies.
fn find(shared: &Shared, name: &str) -> Option<Arc<Database>> {
    shared.catalog.visible().database(name).cloned()
}

impl Admin for Store {
    fn create_database(&self, name: &str, policy: Option<PolicySpec>) -> Result<(), AdminError> {
        self.shared.catalog.create_database(name, policy)
    }

    fn drop_database(&self, name: &str) -> Result<(), AdminError> {
        let _structure = self.shared.structure();
        let found = find(&self.shared, name);
        self.shared.catalog.drop_database(name)?;
        if let Some(database) = found {
            end_policies(&self.shared, &database.policies);
        }
        Ok(())
    }

    fn create_policy(&self, database: &str, spec: PolicySpec) -> Result<(), AdminError> {
        self.shared.catalog.create_policy(database, spec)
    }

    fn alter_policy(&self, database: &str, name: &str, change: PolicyChange) -> Result<(), AdminError> {
        self.shared.catalog.alter_policy(database, name, change)
    }

    fn drop_policy(&self, database: &str, name: &str) -> Result<(), AdminError> {
        let _structure = self.shared.structure();
        let state = self.shared.catalog.visible();
        let found =
            state.database(database).and_then(|d| state.policies(d).find(|p| &*p.name == name)).map(|p| p.id);
        self.shared.catalog.drop_policy(database, name)?;
        if let Some(policy) = found {
            end_policies(&self.shared, &[policy]);
        }
        Ok(())
    }

    fn delete(&self, database: &str, deletion: &Deletion) -> Result<(), AdminError> {
        self.delete_points(database, deletion)
    }

    fn drop_measurement(&self, database: &str, name: &str) -> Result<(), AdminError> {
        let found = find(&self.shared, database).map(|database| database.id);
        let id = found.ok_or_else(|| AdminError::DatabaseNotFound(database.to_owned()))?;
        self.end_measurement(id, name)?;
        Ok(())
    }

    fn drop_shard(&self, id: u64) -> Result<(), AdminError> {
        self.drop_shard_group(id)
    }
}

impl Store {
    /// Ends a measurement instance: its points, fields and types are forgotten. A later point of that name starts anew.
    ///
    /// # Errors
    /// [`CatalogError`]; nothing has changed then.
    pub(crate) fn end_measurement(&self, database: DatabaseId, name: &str) -> Result<(), CatalogError> {
        let _structure = self.shared.structure();
        let id = self.shared.catalog.visible().measurement(database, name).map(|m| m.id);
        if self.shared.catalog.drop_measurement(database, name)?
            && let Some(id) = id
        {
            let version = self.shared.version.load();
            let policies = version.policies.values().filter(|p| p.database == database);
            policies.for_each(|policy| policy.index.drop_measurement(id.0));
        }
        Ok(())
    }
}
