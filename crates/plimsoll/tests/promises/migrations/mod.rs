//! How a schema is made and changed.

// What several promises begin with.
mod schema;

// The promises.
mod a_changed_migration_is_refused;
mod a_failed_migration_leaves_nothing;
mod a_file_that_ends_its_own_transaction_is_told_so;
mod a_schema_is_initialised_once;
mod migration_files_of_other_tools_are_understood_or_explained;
mod migrations_run_outside_a_transaction_when_told;
mod migrations_work_behind_pgbouncer;
mod ten_instances_migrate_at_once;
mod the_sentinel_is_found_whoever_asks;
