//! Reading instances, and whether they may be renewed (section 12).
