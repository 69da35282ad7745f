//! Each row of a CSV file is a transaction: one that fails is reported and leaves the others alone, and each new device's
//! secret is in the report.

use crate::asking::{Ask, created};
use crate::service::{self, Answer, Device, Fleet};
use reqwest::Method;
use serde_json::Value;
use std::fmt::Write;

const PATH: &str = "/customer/devices/import";
const COUNT: &str = "SELECT active_device_count AS n FROM subscriptions";
const DEVICES: &str = "SELECT count(*) AS n FROM device_registry";

async fn import(fleet: &Fleet, file: impl Into<String>) -> Answer {
    Ask::new(fleet, Method::POST, PATH).header("Content-Type", "text/csv").body(file).send().await
}

/// total, imported, failed.
fn counts(answer: &Answer) -> [u64; 3] {
    assert_eq!(answer.status, 200, "{answer:?}");
    ["total", "imported", "failed"].map(|name| answer.body[name].as_u64().unwrap())
}

fn rows(answer: &Answer) -> &Vec<Value> {
    answer.body["results"].as_array().unwrap()
}

#[tokio::test]
async fn a_row_that_fails_leaves_the_others_alone() {
    let fleet = service::start().await;
    created(&fleet, "there").await;
    let file = "device_id,name,device_type,site_id,tags\n\
                d1,One,pump,default,a;b\n\
                there,Two,pump,,\n\
                d3,Three,pump,nowhere,\n\
                no id,Four,pump,,\n\
                d5,Five,pump\n\
                d1,Again,pump,,\n\
                d7,Seven,valve,,\n\
                import,Eight,valve,,\n\
                ,summary,valve,,\n";
    let answer = import(&fleet, file).await;
    assert_eq!(counts(&answer), [9, 2, 7]);
    let told: Vec<(u64, &str, &str)> = rows(&answer)
        .iter()
        .map(|row| {
            let code = row["code"].as_str().unwrap_or_default();
            (row["row"].as_u64().unwrap(), row["status"].as_str().unwrap(), code)
        })
        .collect();
    let expected = [
        (2, "imported", ""),
        (3, "failed", "DEVICE_EXISTS"),
        (4, "failed", "UNKNOWN_SITE"),
        (5, "failed", "BAD_FIELD"),
        (6, "failed", "BAD_FIELD"),
        (7, "failed", "DEVICE_EXISTS"),
        (8, "imported", ""),
        // Words that stand in paths where an id does.
        (9, "failed", "DEVICE_ID_RESERVED"),
        (10, "failed", "BAD_FIELD"),
    ];
    assert_eq!(told, expected);
    assert_eq!((fleet.number(COUNT).await, fleet.number(DEVICES).await), (3, 3));
    let token = rows(&answer)[6]["provision_token"].as_str().unwrap().to_owned();
    Device { key: token, ..fleet.device.clone() }.send("d7", r#"{"t": 1}"#).await.accepted();
    assert_eq!(fleet.device.get("/customer/devices/d1").await.body["tags"], serde_json::json!(["a", "b"]));
    // Each was a transaction of its own.
    let distinct = "SELECT count(DISTINCT xmin::text) AS n FROM device_registry";
    assert_eq!(fleet.number(distinct).await, 3);
}

/// What the database refuses in the middle of a row undoes that row and no other.
#[tokio::test]
async fn so_does_one_that_the_database_refuses() {
    let fleet = service::start().await;
    let refuse = "ALTER TABLE device_tags ADD CONSTRAINT not_this CHECK (tag <> 'bad')";
    fleet.database.execute(refuse).await.unwrap();
    let answer = import(&fleet, "name,device_type,tags\nd1,t,a\nd2,t,bad\nd3,t,c\n").await;
    assert_eq!(counts(&answer), [3, 2, 1]);
    assert_eq!(rows(&answer)[1]["status"], "failed");
    assert_eq!((fleet.number(COUNT).await, fleet.number(DEVICES).await), (2, 2));
    let tokens = "SELECT count(*) AS n FROM device_api_tokens";
    let logged = "SELECT count(*) AS n FROM subscription_event_log";
    assert_eq!((fleet.number(tokens).await, fleet.number(logged).await), (2, 2));
}

#[tokio::test]
async fn capacity_holds_for_a_file_too() {
    let fleet = service::start().await;
    fleet.database.execute("UPDATE subscriptions SET device_limit = 2").await.unwrap();
    let file = "name,device_type\na,t\nb,t\nc,t\nd,t\n";
    let answer = import(&fleet, file).await;
    assert_eq!(counts(&answer), [4, 2, 2]);
    assert_eq!(rows(&answer)[3]["code"], "NO_SUBSCRIPTION_CAPACITY");
    // The same file again makes none a second time.
    assert_eq!(counts(&import(&fleet, file).await), [4, 0, 4]);
    assert_eq!((fleet.number(COUNT).await, fleet.number(DEVICES).await), (2, 2));
}

#[tokio::test]
async fn five_hundred_rows_and_a_mebibyte_and_not_more() {
    let fleet = service::start().await;
    let file = |rows: usize| {
        let mut file = "name,device_type\n".to_owned();
        (0..rows).for_each(|n| writeln!(file, "d{n},t").unwrap());
        file
    };
    import(&fleet, file(501)).await.refused(400, "BAD_CSV");
    import(&fleet, "name,device_type\n".to_owned() + &"x".repeat(1 << 20)).await.refused(413, "PL-HTTP-02");
    assert_eq!(fleet.number(DEVICES).await, 0);
    // Of one that is as large as it may be, each row is looked at.
    let mut largest = "name,device_type,notes\nd1,t,n\nd2,t,".to_owned();
    largest.push_str(&"n".repeat((1 << 20) - largest.len()));
    assert_eq!(counts(&import(&fleet, largest).await), [2, 1, 1]);
    let answer = import(&fleet, file(500)).await;
    assert_eq!(counts(&answer)[0], 500);
    // A busy machine may not reach all of them in the time of a request; those are told, and sent again.
    for row in rows(&answer).iter().filter(|row| row["status"] == "failed") {
        assert!(row["code"] == "NOT_TRIED" || row["device_id"] == "d1", "{row}");
    }
    let imported = i64::try_from(counts(&answer)[1]).unwrap();
    assert_eq!((fleet.number(DEVICES).await, fleet.number(COUNT).await), (imported + 1, imported + 1));
}

#[tokio::test]
async fn what_is_no_such_file_is_refused_whole() {
    let fleet = service::start().await;
    for file in ["", "name\nx\n", "name,device_type,colour\na,b,c\n", "name,device_type\n"] {
        import(&fleet, file).await.refused(400, "BAD_CSV");
    }
    for kind in ["multipart/form-data; boundary=x", "application/json"] {
        let ask = Ask::new(&fleet, Method::POST, PATH).header("Content-Type", kind);
        ask.body("name,device_type\na,b\n").send().await.refused(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    Ask::new(&fleet, Method::POST, PATH)
        .token("test.x")
        .body("name")
        .send()
        .await
        .refused(401, "TOKEN_INVALID");
    assert_eq!(fleet.number(DEVICES).await, 0);
}

/// Rows that the time of the request does not reach are told, and not left to be guessed.
#[tokio::test]
async fn rows_that_were_not_reached_are_told() {
    let fleet = service::start().await;
    let hold = fleet.database.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(12); RETURN NULL; END $$;
        CREATE TRIGGER slow AFTER INSERT ON device_registry FOR EACH STATEMENT EXECUTE FUNCTION slow()",
    );
    hold.await.unwrap();
    let answer = import(&fleet, "name,device_type\na,t\nb,t\nc,t\n").await;
    assert_eq!(counts(&answer), [3, 1, 2]);
    assert_eq!([&rows(&answer)[1]["code"], &rows(&answer)[2]["code"]], ["NOT_TRIED", "NOT_TRIED"]);
    assert_eq!(fleet.number(DEVICES).await, 1);
}
