//! How an edit leads from one state to the next, and how a state is written as edits.
//!
//! Every edit is checked against the state, so that neither a wrong caller nor a damaged file can make a state that
//! contradicts itself.

use std::sync::Arc;

use weir_model::TimeRange;

use crate::edit::Edit;
use crate::ids::{DatabaseId, FieldId, FileId, GroupId, MeasurementId, PolicyId};
use crate::pmap::PMap;
use crate::state::{CatalogState, Database, Field, Group, Measurement, Policy, SegmentInfo, SeriesFileInfo};

type Applied = Result<(), String>;

impl CatalogState {
    /// Applies edits in order. After an error the state is somewhere in between; throw it away.
    ///
    /// # Errors
    /// Which edit does not fit, and why.
    pub(crate) fn apply_all(&mut self, edits: &[Edit]) -> Applied {
        self.version += 1;
        edits.iter().try_for_each(|edit| self.apply(edit))
    }

    fn apply(&mut self, edit: &Edit) -> Applied {
        match edit {
            Edit::CreateDatabase { id, name } => self.create_database(*id, name),
            Edit::DropDatabase { id } => self.drop_database(*id),
            Edit::SetDefaultPolicy { database, name } => {
                self.invalidations += 1;
                self.database_mut(*database)?.default_policy = Arc::clone(name);
                Ok(())
            }
            Edit::CreatePolicy { .. } => self.create_policy(edit),
            Edit::AlterPolicy { id, duration_ns, shard_group_duration_ns, replica_n } => {
                self.invalidations += 1;
                check_durations(*duration_ns, *shard_group_duration_ns)?;
                let policy = self.policy_mut(*id)?;
                policy.duration_ns = *duration_ns;
                policy.shard_group_duration_ns = *shard_group_duration_ns;
                policy.replica_n = *replica_n;
                Ok(())
            }
            Edit::DropPolicy { id } => self.drop_policy(*id),
            Edit::CreateMeasurement { id, database, name } => self.create_measurement(*id, *database, name),
            Edit::DropMeasurement { id } => self.drop_measurement(*id),
            Edit::CreateField { id, measurement, name, field_type } => self.create_field(Field {
                id: *id,
                measurement: *measurement,
                name: Arc::clone(name),
                field_type: *field_type,
            }),
            Edit::Claim { group, field } => self.claim(*group, *field),
            Edit::CreateGroup { id, policy, window } => self.create_group(*id, *policy, *window),
            Edit::DropGroup { id } => self.drop_group(*id),
            Edit::AddSegment(segment) => self.add_segment(segment),
            Edit::RemoveSegment { file } => self.remove_segment(*file),
            Edit::QuarantineSegment { file } => self.quarantine(*file),
            Edit::AddSeriesFile(file) => self.add_series_file(file),
            Edit::RemoveSeriesFile { file } => self.remove_series_file(*file),
            Edit::AddTombstone(tombstone) => {
                if tombstone.id.0 != self.counters.tombstone + 1 {
                    // A rewritten manifest holds only those still needed, in order.
                    if tombstone.id.0 <= self.counters.tombstone {
                        return Err(format!("tombstone {} is not a new one", tombstone.id));
                    }
                }
                self.policy_mut(tombstone.policy)?;
                self.counters.tombstone = tombstone.id.0;
                self.raise_generation(tombstone.generation);
                Arc::make_mut(&mut self.tombstones).insert(tombstone.id, Arc::new(tombstone.clone()));
                Ok(())
            }
            Edit::RemoveTombstone { id } => {
                let removed = Arc::make_mut(&mut self.tombstones).remove(id);
                removed.map(drop).ok_or_else(|| format!("there is no tombstone {id}"))
            }
            Edit::SetWalFloor { lane, floor } => {
                let floors = Arc::make_mut(&mut self.floors);
                let old = floors.entry(*lane).or_default();
                if floor.generation < old.generation || floor.file_no < old.file_no {
                    return Err(format!("the floor of lane {lane} may not move down"));
                }
                *old = *floor;
                self.raise_generation(floor.generation);
                Ok(())
            }
            Edit::RemoveLane { lane } => {
                Arc::make_mut(&mut self.floors).remove(lane);
                Ok(())
            }
            Edit::Generation { generation } => {
                self.raise_generation(*generation);
                Ok(())
            }
            Edit::ReserveSeriesIds { end } => {
                self.counters.series_reserved = self.counters.series_reserved.max(*end);
                Ok(())
            }
            Edit::ReserveFileIds { end } => {
                self.counters.files_reserved = self.counters.files_reserved.max(*end);
                Ok(())
            }
            Edit::PutRecord { key, value } => {
                Arc::make_mut(&mut self.records).insert(Arc::clone(key), Arc::clone(value));
                Ok(())
            }
            Edit::RemoveRecord { key } => {
                Arc::make_mut(&mut self.records).remove(key);
                Ok(())
            }
            Edit::AddSource { id, alias } => self.add_source(*id, alias),
            Edit::WallTime { time_ns } => {
                self.counters.wall_time = *time_ns;
                Ok(())
            }
            Edit::Counters { database, policy, measurement, field, group, tombstone, source } => {
                let counters = &mut self.counters;
                counters.database = counters.database.max(*database);
                counters.policy = counters.policy.max(*policy);
                counters.measurement = counters.measurement.max(*measurement);
                counters.field = counters.field.max(*field);
                counters.group = counters.group.max(*group);
                counters.tombstone = counters.tombstone.max(*tombstone);
                counters.source = counters.source.max(*source);
                Ok(())
            }
        }
    }

    fn raise_generation(&mut self, generation: u64) {
        self.counters.generation = self.counters.generation.max(generation);
    }

    fn database_mut(&mut self, id: DatabaseId) -> Result<&mut Database, String> {
        let database = self.databases.get_mut(&id);
        database.map(Arc::make_mut).ok_or_else(|| format!("there is no database {id}"))
    }

    fn policy_mut(&mut self, id: PolicyId) -> Result<&mut Policy, String> {
        let policy = self.policies.get_mut(&id);
        policy.map(Arc::make_mut).ok_or_else(|| format!("there is no policy {id}"))
    }

    fn group_mut(&mut self, id: GroupId) -> Result<&mut Group, String> {
        let group = self.groups.get_mut(&id);
        group.map(Arc::make_mut).ok_or_else(|| format!("there is no shard group {id}"))
    }

    fn create_database(&mut self, id: DatabaseId, name: &Arc<str>) -> Applied {
        if self.databases.contains_key(&id) || self.database_names.contains_key(&**name) {
            return Err(format!("database {id} {name:?} exists already"));
        }
        self.counters.database = self.counters.database.max(after(id.0)?);
        let database =
            Database { id, name: Arc::clone(name), default_policy: "".into(), policies: Vec::new() };
        self.databases.insert(id, Arc::new(database));
        self.database_names.insert(Arc::clone(name), id);
        Arc::make_mut(&mut self.database_order).push(id);
        Ok(())
    }

    fn drop_database(&mut self, id: DatabaseId) -> Applied {
        self.invalidations += 1;
        let policies = self.database_mut(id)?.policies.clone();
        policies.into_iter().try_for_each(|policy| self.drop_policy(policy))?;
        let measurements: Vec<_> = self.measurements(id).map(|measurement| measurement.id).collect();
        measurements.into_iter().try_for_each(|measurement| self.drop_measurement(measurement))?;
        self.measurement_names.remove(&id);
        if let Some(database) = self.databases.remove(&id) {
            self.database_names.remove(&*database.name);
        }
        Arc::make_mut(&mut self.database_order).retain(|other| *other != id);
        Ok(())
    }

    fn create_policy(&mut self, edit: &Edit) -> Applied {
        let Edit::CreatePolicy { id, database, name, duration_ns, shard_group_duration_ns, replica_n } = edit
        else {
            return Err("not a policy".to_owned());
        };
        check_durations(*duration_ns, *shard_group_duration_ns)?;
        let owner = self.databases.get(database).ok_or_else(|| format!("there is no database {database}"))?;
        if self.policies.contains_key(id) || self.policies(owner).any(|policy| policy.name == *name) {
            return Err(format!("policy {id} {name:?} exists already"));
        }
        self.counters.policy = self.counters.policy.max(after(id.0)?);
        self.database_mut(*database)?.policies.push(*id);
        let policy = Policy {
            id: *id,
            database: *database,
            name: Arc::clone(name),
            duration_ns: *duration_ns,
            shard_group_duration_ns: *shard_group_duration_ns,
            replica_n: *replica_n,
            groups: Vec::new(),
        };
        self.policies.insert(*id, Arc::new(policy));
        Ok(())
    }

    fn drop_policy(&mut self, id: PolicyId) -> Applied {
        self.invalidations += 1;
        let policy = self.policy_mut(id)?;
        let (database, groups) = (policy.database, policy.groups.clone());
        groups.into_iter().try_for_each(|(_, group)| self.drop_group(group))?;
        self.policies.remove(&id);
        self.database_mut(database)?.policies.retain(|other| *other != id);
        if self.tombstones.values().any(|tombstone| tombstone.policy == id) {
            Arc::make_mut(&mut self.tombstones).retain(|_, tombstone| tombstone.policy != id);
        }
        Ok(())
    }

    fn create_measurement(&mut self, id: MeasurementId, database: DatabaseId, name: &Arc<str>) -> Applied {
        self.database_by_id(database).ok_or_else(|| format!("there is no database {database}"))?;
        if self.measurements.contains_key(&id) || self.measurement(database, name).is_some() {
            return Err(format!("measurement {id} {name:?} exists already"));
        }
        self.counters.measurement = self.counters.measurement.max(after(id.0)?);
        let measurement = Measurement { id, database, name: Arc::clone(name), fields: PMap::default() };
        self.measurements.insert(id, Arc::new(measurement));
        self.measurement_names.get_or_default(database).insert(Arc::clone(name), id);
        Ok(())
    }

    fn drop_measurement(&mut self, id: MeasurementId) -> Applied {
        self.invalidations += 1;
        let gone = self.measurements.remove(&id).ok_or_else(|| format!("there is no measurement {id}"))?;
        for field in gone.fields.values().flatten().flatten() {
            self.fields.remove(field);
        }
        if let Some(names) = self.measurement_names.get_mut(&gone.database) {
            names.remove(&*gone.name);
        }
        let database = self.databases.get(&gone.database).cloned();
        let policies = database.iter().flat_map(|database| database.policies.iter());
        let groups: Vec<GroupId> = policies
            .filter_map(|policy| self.policies.get(policy))
            .flat_map(|policy| policy.groups.iter().map(|(_, group)| *group))
            .collect();
        for group in groups {
            if let Some(claims) = self.claims.get_mut(&group) {
                claims.remove(&id);
            }
        }
        Ok(())
    }

    fn create_field(&mut self, field: Field) -> Applied {
        if self.fields.contains_key(&field.id) {
            return Err(format!("field {} exists already", field.id));
        }
        let measurement = self.measurements.get_mut(&field.measurement).map(Arc::make_mut);
        let measurement =
            measurement.ok_or_else(|| format!("there is no measurement {}", field.measurement))?;
        let mut of_name = measurement.fields.get(&*field.name).copied().unwrap_or_default();
        let of_type = of_name.get_mut(field.field_type as usize - 1);
        match of_type {
            Some(empty @ None) => *empty = Some(field.id),
            _ => return Err(format!("field {:?} of type {} exists already", field.name, field.field_type)),
        }
        measurement.fields.insert(Arc::clone(&field.name), of_name);
        self.counters.field = self.counters.field.max(after(field.id.0)?);
        self.fields.insert(field.id, Arc::new(field));
        Ok(())
    }

    fn claim(&mut self, group: GroupId, field: FieldId) -> Applied {
        let owner = self.group(group).ok_or_else(|| format!("there is no shard group {group}"))?;
        let database = self.policy(owner.policy).map(|policy| policy.database);
        let field = self.fields.get(&field).cloned().ok_or_else(|| format!("there is no field {field}"))?;
        if self.measurement_by_id(field.measurement).map(|measurement| measurement.database) != database {
            return Err(format!("field {} and shard group {group} are of two databases", field.id));
        }
        let of_group = self.claims.get_or_default(group);
        let of_measurement = of_group.get_or_default(field.measurement);
        match of_measurement.get(&*field.name) {
            Some(other) if *other != field.id => {
                Err(format!("field {:?} is claimed by {other} in shard group {group}", field.name))
            }
            Some(_) => Ok(()),
            None => {
                of_measurement.insert(Arc::clone(&field.name), field.id);
                Ok(())
            }
        }
    }

    fn create_group(&mut self, id: GroupId, policy: PolicyId, window: TimeRange) -> Applied {
        if self.groups.contains_key(&id) {
            return Err(format!("shard group {id} exists already"));
        }
        if window.is_empty() {
            return Err(format!("the window of shard group {id} is empty"));
        }
        let owner = self.policy_mut(policy)?;
        if !owner.groups_in(window).is_empty() {
            return Err(format!("the window of shard group {id} overlaps another one"));
        }
        let at = owner.groups.partition_point(|(other, _)| other.max < window.min);
        owner.groups.insert(at, (window, id));
        self.counters.group = self.counters.group.max(after(id.0)?);
        let group = Group { id, policy, window, segments: Vec::new(), series_files: Vec::new() };
        self.groups.insert(id, Arc::new(group));
        Ok(())
    }

    fn drop_group(&mut self, id: GroupId) -> Applied {
        self.invalidations += 1;
        let gone = self.groups.remove(&id).ok_or_else(|| format!("there is no shard group {id}"))?;
        self.policy_mut(gone.policy)?.groups.retain(|(_, other)| *other != id);
        self.claims.remove(&id);
        for segment in &gone.segments {
            self.files.remove(&segment.file);
        }
        for file in &gone.series_files {
            self.files.remove(&file.file);
        }
        Ok(())
    }

    fn add_file(&mut self, file: FileId, group: GroupId) -> Applied {
        if self.files.contains_key(&file) {
            return Err(format!("file {file} exists already"));
        }
        self.counters.files_reserved = self.counters.files_reserved.max(file.0.saturating_add(1));
        self.files.insert(file, group);
        Ok(())
    }

    fn add_segment(&mut self, segment: &SegmentInfo) -> Applied {
        if segment.gen_lo > segment.gen_hi {
            return Err(format!("segment {} has its generations in the wrong order", segment.file));
        }
        self.group(segment.group).ok_or_else(|| format!("there is no shard group {}", segment.group))?;
        self.add_file(segment.file, segment.group)?;
        self.raise_generation(segment.gen_hi);
        let segments = &mut self.group_mut(segment.group)?.segments;
        let order = |segment: &SegmentInfo| (segment.gen_lo, segment.gen_hi, segment.file);
        let at = segments.partition_point(|other| order(other) < order(segment));
        segments.insert(at, Arc::new(segment.clone()));
        Ok(())
    }

    fn remove_segment(&mut self, file: FileId) -> Applied {
        let no_such = || format!("there is no segment {file}");
        let group = *self.files.get(&file).ok_or_else(no_such)?;
        let segments = &mut self.group_mut(group)?.segments;
        let at = segments.iter().position(|segment| segment.file == file).ok_or_else(no_such)?;
        segments.remove(at);
        self.files.remove(&file);
        Ok(())
    }

    fn quarantine(&mut self, file: FileId) -> Applied {
        let no_such = || format!("there is no segment {file}");
        let group = *self.files.get(&file).ok_or_else(no_such)?;
        let segments = &mut self.group_mut(group)?.segments;
        let segment = segments.iter_mut().find(|segment| segment.file == file).ok_or_else(no_such)?;
        Arc::make_mut(segment).quarantined = true;
        Ok(())
    }

    fn add_series_file(&mut self, file: &SeriesFileInfo) -> Applied {
        self.group(file.group).ok_or_else(|| format!("there is no shard group {}", file.group))?;
        self.add_file(file.file, file.group)?;
        self.group_mut(file.group)?.series_files.push(Arc::new(file.clone()));
        Ok(())
    }

    fn remove_series_file(&mut self, file: FileId) -> Applied {
        let no_such = || format!("there is no series file {file}");
        let group = *self.files.get(&file).ok_or_else(no_such)?;
        let files = &mut self.group_mut(group)?.series_files;
        let at = files.iter().position(|other| other.file == file).ok_or_else(no_such)?;
        files.remove(at);
        self.files.remove(&file);
        Ok(())
    }

    fn add_source(&mut self, id: u16, alias: &Arc<str>) -> Applied {
        if id == 0 || self.sources.contains_key(&id) || self.sources.values().any(|other| other == alias) {
            return Err(format!("source {id} {alias:?} exists already"));
        }
        self.counters.source = self.counters.source.max(id);
        Arc::make_mut(&mut self.sources).insert(id, Arc::clone(alias));
        Ok(())
    }

    /// The edits that make this state out of nothing.
    pub(crate) fn to_edits(&self) -> Vec<Edit> {
        let mut edits = Vec::new();
        for database in self.databases() {
            edits.push(Edit::CreateDatabase { id: database.id, name: Arc::clone(&database.name) });
            for policy in self.policies(database) {
                self.policy_edits(policy, &mut edits);
            }
            edits.push(Edit::SetDefaultPolicy {
                database: database.id,
                name: Arc::clone(&database.default_policy),
            });
            for measurement in self.measurements(database.id) {
                self.measurement_edits(measurement, &mut edits);
            }
        }
        for (group, of_group) in self.claims.iter() {
            let fields = of_group.values().flat_map(PMap::values);
            edits.extend(fields.map(|field| Edit::Claim { group: *group, field: *field }));
        }
        edits.extend(self.tombstones.values().map(|tombstone| Edit::AddTombstone((**tombstone).clone())));
        edits.extend(self.floors.iter().map(|(&lane, &floor)| Edit::SetWalFloor { lane, floor }));
        edits.extend(
            self.records
                .iter()
                .map(|(key, value)| Edit::PutRecord { key: Arc::clone(key), value: Arc::clone(value) }),
        );
        edits
            .extend(self.sources.iter().map(|(&id, alias)| Edit::AddSource { id, alias: Arc::clone(alias) }));
        let n = &self.counters;
        edits.push(Edit::Generation { generation: n.generation });
        edits.push(Edit::ReserveSeriesIds { end: n.series_reserved });
        edits.push(Edit::ReserveFileIds { end: n.files_reserved });
        edits.push(Edit::WallTime { time_ns: n.wall_time });
        edits.push(Edit::Counters {
            database: n.database,
            policy: n.policy,
            measurement: n.measurement,
            field: n.field,
            group: n.group,
            tombstone: n.tombstone,
            source: n.source,
        });
        edits
    }

    fn policy_edits(&self, policy: &Policy, edits: &mut Vec<Edit>) {
        edits.push(Edit::CreatePolicy {
            id: policy.id,
            database: policy.database,
            name: Arc::clone(&policy.name),
            duration_ns: policy.duration_ns,
            shard_group_duration_ns: policy.shard_group_duration_ns,
            replica_n: policy.replica_n,
        });
        for &(window, id) in &policy.groups {
            edits.push(Edit::CreateGroup { id, policy: policy.id, window });
            let Some(group) = self.group(id) else { continue };
            edits.extend(group.segments.iter().map(|segment| Edit::AddSegment((**segment).clone())));
            edits.extend(group.series_files.iter().map(|file| Edit::AddSeriesFile((**file).clone())));
        }
    }

    fn measurement_edits(&self, measurement: &Measurement, edits: &mut Vec<Edit>) {
        edits.push(Edit::CreateMeasurement {
            id: measurement.id,
            database: measurement.database,
            name: Arc::clone(&measurement.name),
        });
        let ids = measurement.fields.values().flatten().flatten();
        edits.extend(ids.filter_map(|id| self.fields.get(id)).map(|field| Edit::CreateField {
            id: field.id,
            measurement: field.measurement,
            name: Arc::clone(&field.name),
            field_type: field.field_type,
        }));
    }
}

fn check_durations(duration_ns: i64, shard_group_duration_ns: i64) -> Applied {
    if duration_ns < 0 || shard_group_duration_ns <= 0 {
        return Err("a policy's durations must be positive".to_owned());
    }
    Ok(())
}

/// The number after `id`.
fn after(id: u32) -> Result<u32, String> {
    id.checked_add(1).ok_or_else(|| "all 2^32 numbers of this kind are used up".to_owned())
}

#[cfg(test)]
mod tests;
