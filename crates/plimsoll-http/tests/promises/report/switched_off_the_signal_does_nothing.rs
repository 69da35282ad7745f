//! Switched off at the start or while the service runs, or with its guard dropped, the signal prints no report and ends
//! nothing. One line says why there is none. A service that was never told of the signal ends by it.

use super::child::{Service, Start};
use crate::service::until;
use plimsoll_embedded::test_server;
use std::os::unix::process::ExitStatusExt;

const OFF: &str = "its report is switched off by the service's configuration";

fn told_off(service: &Service) -> usize {
    service.text().matches(OFF).count()
}

async fn serves(service: &Service) {
    assert_eq!(service.get("/now").await.body, "1");
}

#[tokio::test]
async fn at_the_start_and_while_it_runs() {
    let database = test_server::database().await.unwrap();
    let service = Start { report: "off", ..Start::default() }.on(&database.url()).await;
    service.signal();
    until("it says why", async || told_off(&service) == 1).await;
    service.signal();
    serves(&service).await;
    assert!(service.reports().is_empty(), "{}", service.text());

    service.get("/switch/on").await;
    service.report().await;
    assert_eq!(told_off(&service), 1, "one line for as long as it is off");

    service.get("/switch/off").await;
    service.signal();
    until("it says why again", async || told_off(&service) == 2).await;
    serves(&service).await;
    assert_eq!(service.reports().len(), 1);

    service.get("/switch/on").await;
    service.report().await;
}

#[tokio::test]
async fn with_its_guard_dropped() {
    let database = test_server::database().await.unwrap();
    let service = Start::default().on(&database.url()).await;
    service.report().await;
    service.get("/switch/drop").await;
    service.signal();
    serves(&service).await;
    service.signal();
    serves(&service).await;
    assert_eq!((service.reports().len(), told_off(&service)), (1, 0), "{}", service.text());
}

#[tokio::test]
async fn a_service_that_was_never_told_of_it_ends() {
    let database = test_server::database().await.unwrap();
    let mut service = Start { report: "never", ..Start::default() }.on(&database.url()).await;
    serves(&service).await;
    service.signal();
    assert_eq!(service.ended().await.signal(), Some(rustix::process::Signal::USR1.as_raw()));
}
