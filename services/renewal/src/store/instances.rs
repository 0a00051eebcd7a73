//! Instances: find, list, register, set policies.
