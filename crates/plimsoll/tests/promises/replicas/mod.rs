//! Several servers: where reads go, how fresh they are, and what a failover costs.

mod a_failover_is_over_in_two_seconds;
mod a_lost_replica_does_not_sink_the_primary;
mod a_read_is_as_fresh_as_it_asks;
mod a_read_sees_the_commit_of_its_token;
mod a_replica_learns_of_a_changed_schema;
mod reads_go_to_replicas_and_writes_to_the_primary;
