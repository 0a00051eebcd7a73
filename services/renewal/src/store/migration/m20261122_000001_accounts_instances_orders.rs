//! Accounts, instances with their terms, orders, quotes and request ids.

use platform::database::sorted_by_bytes;
use sea_orm_migration::{
    prelude::*,
    schema::{
        big_integer, big_integer_null, binary, binary_null, boolean, integer, integer_null,
        small_integer, string, string_null, text, text_null, uuid, uuid_null,
    },
    sea_orm::DbBackend,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let tables = [
            accounts,
            instances,
            terms,
            orders,
            order_instances,
            quotes,
            requests,
            rebuilds,
            cursors,
        ];
        for table in tables {
            let table = table(&|column| sorted_by_bytes(backend, column));
            manager.create_table(table).await?;
        }
        let connection = manager.get_connection();
        for index in INDEXES {
            connection.execute_unprepared(index).await?;
        }
        let more = match backend {
            DbBackend::Postgres => POSTGRES,
            _ => SQLITE,
        };
        for statement in more {
            connection.execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

const POSTGRES: &[&str] = &[
    // Room for the next version of a row on the same page: the sweep rewrites each row.
    "ALTER TABLE instances SET (fillfactor = 80)",
    "CREATE FUNCTION note_order_instances() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         INSERT INTO order_instances (account_id, instance_id, order_id)
         SELECT made.account_id, json_array_elements_text(made.instance_ids::json), made.id
         FROM made;
         RETURN NULL;
     END $$",
    // Once for all orders of a statement: for each row it would cost as much as the row.
    "CREATE TRIGGER orders_note_instances AFTER INSERT ON orders
         REFERENCING NEW TABLE AS made
         FOR EACH STATEMENT EXECUTE FUNCTION note_order_instances()",
];

const SQLITE: &[&str] = &["CREATE TRIGGER orders_note_instances AFTER INSERT ON orders BEGIN
         INSERT INTO order_instances (account_id, instance_id, order_id)
         SELECT NEW.account_id, value, NEW.id FROM json_each(NEW.instance_ids);
     END"];

/// Each names the query that needs it.
const INDEXES: [&str; 11] = [
    // RegisterInstances: an id belongs to one account.
    "CREATE UNIQUE INDEX instances_id ON instances (id)",
    // ListInstances: by expiry, then id.
    "CREATE INDEX instances_paid_until ON instances (account_id, paid_until, id)",
    // Whatever is bound to an instance.
    "CREATE INDEX instances_parent ON instances (account_id, parent_id) WHERE parent_id IS NOT NULL",
    // Sweeps: what is due, of one shard after the other.
    "CREATE INDEX instances_due ON instances (shard, due_time, account_id, id) \
     WHERE due_time IS NOT NULL",
    // RenewDue: all that is due of an account.
    "CREATE INDEX instances_account_due ON instances (account_id, due_time) \
     WHERE due_time IS NOT NULL",
    // O-1: each term once; GetInstance: terms by start.
    "CREATE UNIQUE INDEX terms_start ON terms (account_id, instance_id, start_time) \
     WHERE reversed_by IS NULL",
    // The audit: terms of an order.
    "CREATE INDEX terms_order ON terms (order_id) WHERE order_id IS NOT NULL",
    // O-3: a request makes one order.
    "CREATE UNIQUE INDEX orders_request ON orders (account_id, request_id) \
     WHERE request_id IS NOT NULL",
    // Ids that outsiders bring back.
    "CREATE UNIQUE INDEX orders_id ON orders (id)",
    // Advance.
    "CREATE INDEX orders_next_attempt ON orders (next_attempt_at) WHERE next_attempt_at IS NOT NULL",
    // PreviewRenewal: what of the account's has expired.
    "CREATE INDEX quotes_hold_until ON quotes (account_id, hold_until)",
];

/// Makes a column one of ids: see [`sorted_by_bytes`].
type Ids<'b> = &'b dyn Fn(ColumnDef) -> ColumnDef;

fn accounts(id: Ids<'_>) -> TableCreateStatement {
    Table::create()
        .table("accounts")
        .col(id(string("id")).primary_key())
        .col(string("profile"))
        .col(string("currency"))
        .col(string("time_zone"))
        .col(text("labels"))
        .col(boolean("frozen"))
        .col(integer_null("standard_day"))
        .col(string("day_meaning"))
        .col(boolean("auto_follows_standard_day"))
        .col(integer_null("auto_days_before"))
        .col(big_integer_null("money_at"))
        .col(big_integer_null("parked_until"))
        .col(string_null("parked_why"))
        .col(big_integer_null("no_reminder_before"))
        .col(big_integer("version"))
        .col(big_integer("create_time"))
        .take()
}

fn instances(id: Ids<'_>) -> TableCreateStatement {
    Table::create()
        .table("instances")
        .col(id(string("account_id")))
        .col(id(string("id")))
        .col(big_integer("version"))
        .col(id(string("product_id")))
        .col(id(string("region")))
        .col(string("name"))
        .col(string("room_type"))
        .col(text("labels"))
        .col(text("configuration"))
        .col(text_null("pending_configuration"))
        .col(big_integer_null("pending_from"))
        .col(string("billing_mode"))
        .col(big_integer_null("paid_until"))
        .col(integer_null("anchor").check(Expr::col("anchor").between(1, 31)))
        .col(string("policy"))
        .col(string_null("auto_cycle"))
        .col(integer_null("auto_remaining").check(Expr::col("auto_remaining").between(1, 99)))
        .col(boolean("trial"))
        .col(boolean("one_time"))
        .col(boolean("change_pending"))
        .col(boolean("released"))
        .col(uuid_null("open_order_id"))
        .col(id(string_null("parent_id")))
        .col(string_null("binding"))
        .col(big_integer_null("first_start"))
        .col(big_integer("source_version"))
        .col(small_integer("shard").check(Expr::col("shard").between(0, 63)))
        .col(string("state"))
        .col(text_null("reminded"))
        .col(text_null("decided"))
        .col(big_integer_null("due_time"))
        .col(big_integer("create_time"))
        .primary_key(Index::create().col("account_id").col("id"))
        .take()
}

fn terms(id: Ids<'_>) -> TableCreateStatement {
    Table::create()
        .table("terms")
        .col(id(string("account_id")))
        .col(id(string("instance_id")))
        .col(big_integer("instance_version"))
        .col(big_integer("start_time"))
        .col(big_integer("end_time"))
        .col(big_integer_null("shortened_from"))
        .col(integer("anchor").check(Expr::col("anchor").between(1, 31)))
        .col(string("kind"))
        .col(uuid_null("order_id"))
        .col(big_integer("amount").check(Expr::col("amount").gte(0)))
        .col(text_null("configuration"))
        .col(boolean("converted"))
        .col(uuid_null("reversed_by"))
        .col(big_integer("create_time"))
        .primary_key(Index::create().col("account_id").col("instance_id").col("instance_version"))
        .check(Expr::col("start_time").lt(Expr::col("end_time")))
        .take()
}

fn orders(id: Ids<'_>) -> TableCreateStatement {
    Table::create()
        .table("orders")
        .col(id(string("account_id")))
        .col(uuid("id"))
        .col(big_integer("version"))
        .col(string("state"))
        .col(big_integer("payable").check(Expr::col("payable").gte(0)))
        .col(string("currency"))
        .col(text("instance_ids"))
        .col(uuid_null("request_id"))
        .col(binary_null("request_digest"))
        .col(binary("snapshot"))
        .col(binary_null("vouchers"))
        .col(uuid_null("payment_id"))
        .col(integer("pay_number"))
        .col(uuid_null("pay_request"))
        .col(big_integer_null("payment_time"))
        .col(binary_null("payment"))
        .col(binary_null("ended_why"))
        .col(uuid_null("refund_id"))
        .col(big_integer("create_time"))
        .col(big_integer("expire_time"))
        .col(big_integer_null("next_attempt_at"))
        .col(integer("attempts"))
        .col(id(string_null("attempt_root")))
        .col(big_integer_null("attempt_expiry"))
        .col(string_null("attempt_date"))
        .col(integer_null("attempt_kind"))
        .col(string_null("outcome"))
        .col(string_null("outcome_reason"))
        .col(big_integer_null("retry_time"))
        .primary_key(Index::create().col("account_id").col("id"))
        .take()
}

/// Which orders an instance stands on: an index of `orders.instance_ids`, kept by a trigger because
/// neither database has one over the members of a list that costs nothing when the order changes.
fn order_instances(id: Ids<'_>) -> TableCreateStatement {
    Table::create()
        .table("order_instances")
        .col(id(string("account_id")))
        .col(id(string("instance_id")))
        .col(uuid("order_id"))
        .primary_key(Index::create().col("account_id").col("instance_id").col("order_id"))
        .take()
}

/// By which rules, and when, `due_time` of all of a shard was derived for the last time.
fn rebuilds(_: Ids<'_>) -> TableCreateStatement {
    Table::create()
        .table("rebuilds")
        .col(small_integer("shard").primary_key())
        .col(big_integer("rules_version"))
        .col(big_integer("end_time"))
        .take()
}

fn quotes(id: Ids<'_>) -> TableCreateStatement {
    Table::create()
        .table("quotes")
        .col(id(string("account_id")))
        .col(uuid("id"))
        .col(big_integer("hold_until"))
        .col(binary("snapshot"))
        .primary_key(Index::create().col("account_id").col("id"))
        .take()
}

/// How far the events of other services are read.
fn cursors(_: Ids<'_>) -> TableCreateStatement {
    Table::create().table("cursors").col(string("name").primary_key()).col(text("place")).take()
}

fn requests(id: Ids<'_>) -> TableCreateStatement {
    Table::create()
        .table("requests")
        .col(id(string("account_id")))
        .col(string("method"))
        .col(uuid("id"))
        .col(binary("digest"))
        .col(string("made"))
        .col(big_integer("create_time"))
        .primary_key(Index::create().col("account_id").col("method").col("id"))
        .take()
}
