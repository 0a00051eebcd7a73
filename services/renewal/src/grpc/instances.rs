//! `InstanceService`.
