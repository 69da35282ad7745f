//! tmp
use plimsoll_embedded::Cluster;
use std::time::*;
#[tokio::test]
async fn stress() {
    for i in 0..60u64 {
        let delay = 380 + i * 5;
        let port = 14_000 + u16::try_from(delay).unwrap();
        let t0 = Instant::now();
        let start = Cluster::builder().port(port).start();
        let r = tokio::time::timeout(Duration::from_millis(delay), start).await;
        let a = r.is_ok();
        drop(r);
        let t = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() { std::thread::sleep(Duration::from_millis(20)); }
        if t.elapsed() > Duration::from_millis(100) || t0.elapsed() > Duration::from_secs(4) { eprintln!("delay {delay} started {a} answered {:?} all {:?}", t.elapsed(), t0.elapsed()); }
    }
}
