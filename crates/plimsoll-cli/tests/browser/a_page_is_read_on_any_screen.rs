//! A page with everything that a page can hold, at any width, in light and dark, with and without scripts.

use crate::browser::with_browser;
use crate::looked_at::{is_fine, look_as, serve};
use plimsoll_cli::page::{Cell, Chart, Column, Level, Page, Section, Series, Table, Unit};
use std::time::Duration;

fn drill() -> Page {
    let frozen = |second: u32| (20..30).contains(&second);
    let answers = (0..60).map(|second| {
        let millis = if frozen(second) { 1_900.0 } else { 2.0 + f64::from(second % 5) * 0.4 };
        (f64::from(second), (second != 33).then_some(millis))
    });
    let median = (0..60).map(|second| (f64::from(second), (!frozen(second)).then_some(0.9)));
    let lent = (0..60).map(|second| (f64::from(second), Some(if frozen(second) { 10.0 } else { 3.0 })));
    let refused = (0..60).map(|second| (f64::from(second), Some(if frozen(second) { 40.0 } else { 0.0 })));
    let times = Chart::new("Time of an answer", Unit::Millis)
        .logarithmic()
        .series(Series::line("99 of 100 are faster", answers))
        .series(Series::line("half are faster", median))
        .band(Duration::from_secs(20), Duration::from_secs(30), "the database is frozen")
        .mark(Duration::from_secs(21), "the breaker opens")
        .mark(Duration::from_millis(21_200), "the first refusal")
        .mark(Duration::from_secs(31), "the breaker closes");
    let pool = Chart::new("Connections", Unit::Count)
        .series(Series::step("lent", lent))
        .series(Series::step("refused", refused).of_trouble());
    Page::new("Freeze: the database stops answering for ten seconds")
        .subtitle("postgres at 127.0.0.1:5432, database orders, PostgreSQL 15.18")
        .verdict(Level::Trouble, "broken", "One of four promises did not hold")
        .figures([
            ("held", "3".to_owned(), Level::Well),
            ("broken", "1".to_owned(), Level::Trouble),
            ("calls", "12,040".to_owned(), Level::Plain),
        ])
        .section(Section::new("held", "What had to hold").note("judged at the end").table(promises()))
        .section(Section::new("times", "Over time").chart(times).chart(pool))
        .section(
            Section::new("remedy", "What to do")
                .text("Set it for the role.")
                .sql("ALTER ROLE \"app\" SET statement_timeout = '5s';"),
        )
}

fn promises() -> Table {
    let mut table = Table::new([
        Column::text("State"),
        Column::text("Table"),
        Column::wide("What had to hold"),
        Column::number("Measured"),
    ]);
    let long = "public.a_table_whose_name_is_as_long_as_postgresql_allows_it_to_be_63";
    let rows = [
        (Level::Well, "held", "public.orders", "No call took longer than its deadline of 2 s", 1_900),
        (Level::Trouble, "broken", long, "No answer came later than 1 s after the end of the fault", 3_200),
        (Level::Unknown, "not known", "public.items", "No session was left over", 0),
        (Level::Warn, "late", "public.zebra", "The breaker closed within 1 s", 1_000),
    ];
    for (level, word, name, what, measured) in rows {
        table.row_that_is(level, [Cell::badge(level, word), Cell::code(name), what.into(), measured.into()]);
    }
    table
}

#[tokio::test]
async fn nothing_is_asked_for_and_nothing_is_cut_off() {
    with_browser(async |browser| is_fine(browser, "drill", drill().html()).await).await;
}

#[tokio::test]
async fn a_click_on_a_heading_sorts() {
    let served = serve(drill().html()).await;
    with_browser(async |browser| {
        look_as(browser, "light", 1_280).await;
        browser.open(&served.url).await;
        let column = async |nth: u32| -> Vec<String> {
            let script = format!(
                "return [...document.querySelectorAll('#held tbody tr')].map((row) => row.cells[{nth}].textContent)"
            );
            browser.value(&script).await
        };
        browser.click("#held th:nth-child(4) button").await;
        assert_eq!(column(3).await, ["3,200", "1,900", "1,000", "0"]);
        browser.click("#held th:nth-child(4) button").await;
        assert_eq!(column(3).await, ["0", "1,000", "1,900", "3,200"]);
        browser.click("#held th:nth-child(1) button").await;
        assert_eq!(column(0).await, ["held", "not known", "late", "broken"]);
        browser.click("#held th:nth-child(1) button").await;
        assert_eq!(column(0).await, ["broken", "late", "not known", "held"]);
        assert_eq!(browser.complaints().await, [""; 0], "the policy names the script as it is");
    })
    .await;
}
