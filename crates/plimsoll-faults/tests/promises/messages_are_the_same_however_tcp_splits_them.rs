//! The framer sees chunks, and chunks are chance. What it reports must not depend on them.

use plimsoll_faults::framing::{CANCEL_REQUEST, Framer, Kind, SSL_REQUEST};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// The messages of a stream as the framer tells them: kind, first byte, end.
fn messages(mut framer: Framer, chunks: &[&[u8]]) -> Vec<(Kind, usize, usize)> {
    let mut found = Vec::new();
    let (mut position, mut began) = (0, 0);
    for chunk in chunks {
        let mut rest = *chunk;
        while let Some(piece) = framer.next(rest) {
            assert!(piece.len > 0 && piece.len <= rest.len());
            if piece.starts {
                began = position;
            }
            position += piece.len;
            rest = rest.get(piece.len..).unwrap_or_default();
            if piece.ends {
                assert!(framer.between());
                found.push((piece.kind, began, position));
            }
        }
    }
    found
}

fn split<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.sort_unstable();
    let mut chunks = Vec::new();
    let (mut rest, mut taken) = (bytes, 0);
    for place in places {
        let (chunk, behind) = rest.split_at(place - taken);
        chunks.push(chunk);
        (rest, taken) = (behind, place);
    }
    chunks.push(rest);
    chunks
}

fn typed() -> impl Strategy<Value = (u8, Vec<u8>)> {
    (b'A'..=b'z', vec(any::<u8>(), 0..40))
}

fn write(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or(0);
    [&[kind], length.to_be_bytes().as_slice(), body].concat()
}

fn startup(code: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 8).unwrap_or(0);
    [length.to_be_bytes().as_slice(), code.to_be_bytes().as_slice(), body].concat()
}

proptest! {
    #[test]
    fn a_client(
        asks in any::<bool>(),
        hello in vec(any::<u8>(), 0..60),
        sent in vec(typed(), 0..12),
        cuts in vec(any::<Index>(), 0..30),
    ) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        let mut put = |kind, message: Vec<u8>| {
            expected.push((kind, bytes.len(), bytes.len() + message.len()));
            bytes.extend(message);
        };
        if asks {
            put(Kind::Startup, startup(SSL_REQUEST, b""));
        }
        put(Kind::Startup, startup(196_608, &hello));
        for (kind, body) in &sent {
            put(Kind::Typed(*kind), write(*kind, body));
        }
        prop_assert_eq!(messages(Framer::client(), &split(&bytes, &cuts)), expected);
    }

    #[test]
    fn a_server(
        answers in any::<bool>(), sent in vec(typed(), 1..12), cuts in vec(any::<Index>(), 0..30),
    ) {
        let mut framer = Framer::server();
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        if answers {
            framer.expect_answer();
            bytes.push(b'N');
            expected.push((Kind::Answer(b'N'), 0, 1));
        }
        for (kind, body) in &sent {
            let message = write(*kind, body);
            expected.push((Kind::Typed(*kind), bytes.len(), bytes.len() + message.len()));
            bytes.extend(message);
        }
        prop_assert_eq!(messages(framer, &split(&bytes, &cuts)), expected);
    }

    #[test]
    fn anything_at_all_is_taken_whole(bytes in vec(any::<u8>(), 0..200), cuts in vec(any::<Index>(), 0..20)) {
        for framer in [Framer::client(), Framer::server()] {
            prop_assert_eq!(messages(framer, &split(&bytes, &cuts)), messages(framer, &[&bytes]));
        }
    }
}

#[test]
fn a_cancel_request_is_one_message_and_tls_is_none() {
    let cancel = startup(CANCEL_REQUEST, &[0; 8]);
    assert_eq!(messages(Framer::client(), &[&cancel]), [(Kind::Startup, 0, 16)]);
    assert_eq!(messages(Framer::client(), &[&[0x16, 3, 1, 2, 0, 1]]), []);
    let mut server = Framer::server();
    server.expect_answer();
    let too_old_for_encryption = write(b'E', b"SFATAL\0\0");
    assert_eq!(messages(server, &[&too_old_for_encryption]), [(Kind::Typed(b'E'), 0, 13)]);
}

#[test]
fn a_length_that_no_peer_would_send_is_not_read() {
    let mut framer = Framer::server();
    assert_eq!(framer.next(b"Z\0\0\0\x03I").map(|piece| piece.kind), Some(Kind::Opaque));
    assert!(framer.opaque());
}
