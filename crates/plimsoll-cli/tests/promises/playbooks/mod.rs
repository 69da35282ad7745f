//! Each playbook of the guide for those on call is played on a real server in the state that it is about: its commands are run by a
//! shell as they stand there, in their order, and print what the guide says that they print.

mod guide;
mod of_locks_and_transactions;
mod of_pools_and_poolers;
mod of_servers_and_disks;
