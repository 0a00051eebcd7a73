//! The rows.

pub mod catalog_version {
    //! One version of one catalog.

    use sea_orm::entity::prelude::*;

    /// Never changed once it is there.
    #[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "catalog_versions")]
    pub struct Model {
        /// Counts over all catalogs.
        #[sea_orm(primary_key, auto_increment = false)]
        pub version: i64,
        /// The catalog.
        pub name: String,
        /// As it was applied.
        #[sea_orm(column_type = "Text")]
        pub document: String,
        /// Microseconds since 1970.
        pub applied_at: i64,
    }

    /// No relations: queries say what they join.
    #[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod product_profile {
    //! The rules of a product from an instant on.

    use sea_orm::entity::prelude::*;

    /// Never changed once it is there (L-5).
    #[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "product_profiles")]
    pub struct Model {
        /// The product.
        #[sea_orm(primary_key, auto_increment = false)]
        pub product_id: String,
        /// The catalog version that they came with.
        #[sea_orm(primary_key, auto_increment = false)]
        pub version: i64,
        /// Microseconds since 1970.
        pub effective_at: i64,
        /// As JSON.
        #[sea_orm(column_type = "Text")]
        pub profile: String,
    }

    /// No relations: queries say what they join.
    #[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
