//! A page as the tokenizer of a browser reads it.

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind::{Rawtext, Rcdata, ScriptData};
use html5ever::tokenizer::{
    BufferQueue, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use std::cell::RefCell;

/// Elements that have no end.
const VOID: [&str; 6] = ["meta", "link", "img", "br", "hr", "input"];

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// What is no HTML, and what was not closed where it ought to be.
    pub(crate) errors: Vec<String>,
    /// The elements in their order, with their attributes.
    pub(crate) elements: Vec<Element>,
    /// What is to be read, without style and scripts.
    pub(crate) text: String,
    open: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
}

impl Element {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }
}

struct Sink(RefCell<Read>);

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        self.0.borrow_mut().take(token)
    }
}

impl Read {
    fn take(&mut self, token: Token) -> TokenSinkResult<()> {
        match token {
            Token::CharacterTokens(text) => {
                let is_read = !self.open.iter().any(|it| it == "style" || it == "script");
                self.text.push_str(if is_read { &text } else { "" });
            }
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => {
                let name = tag.name.to_string();
                let attributes =
                    tag.attrs.iter().map(|it| (it.name.local.to_string(), it.value.to_string())).collect();
                self.elements.push(Element { name: name.clone(), attributes });
                // Words of two elements are two words.
                self.text.push(' ');
                if !VOID.contains(&name.as_str()) {
                    self.open.push(name.clone());
                }
                return match name.as_str() {
                    "script" => TokenSinkResult::RawData(ScriptData),
                    "style" => TokenSinkResult::RawData(Rawtext),
                    "title" => TokenSinkResult::RawData(Rcdata),
                    _ => TokenSinkResult::Continue,
                };
            }
            Token::TagToken(tag) => {
                let closed = self.open.pop();
                if closed.as_deref() != Some(&*tag.name) {
                    self.errors.push(format!("</{}> closes {closed:?}", tag.name));
                }
            }
            Token::ParseError(error) => self.errors.push(error.to_string()),
            _ => {}
        }
        TokenSinkResult::Continue
    }

    /// How many elements of this name there are.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.elements.iter().filter(|it| it.name == name).count()
    }

    /// Whether this is to be read somewhere, with whatever blanks between its words.
    pub(crate) fn says(&self, text: &str) -> bool {
        words(&self.text).contains(&words(text))
    }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn read(page: &str) -> Read {
    let tokenizer = Tokenizer::new(
        Sink(RefCell::default()),
        TokenizerOpts { exact_errors: true, ..TokenizerOpts::default() },
    );
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(page));
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    let mut read = tokenizer.sink.0.into_inner();
    if !read.open.is_empty() {
        read.errors.push(format!("never closed: {:?}", read.open));
    }
    read
}

/// Reads a page, and sees that it is HTML, that it names everything it links to, and that it loads nothing and runs nothing but what is
/// in it and named by its policy.
pub(crate) fn is_whole(page: &str) -> Read {
    let read = read(page);
    assert_eq!(read.errors, Vec::<String>::new());
    let ids: Vec<&str> = read.elements.iter().filter_map(|it| it.attribute("id")).collect();
    for (nth, id) in ids.iter().enumerate() {
        assert!(!ids[..nth].contains(id), "two elements are called {id}");
    }
    for element in &read.elements {
        for (name, value) in &element.attributes {
            assert!(!name.starts_with("on") && name != "style", "{element:?} runs or styles by itself");
            let is_inside = value.starts_with("data:image/svg+xml;base64,")
                || value.strip_prefix('#').is_some_and(|id| ids.contains(&id));
            let leads =
                ["src", "href", "xlink:href", "srcset", "action", "data", "poster"].contains(&name.as_str());
            assert!(!leads || is_inside, "{element:?} leads outside");
        }
    }
    assert_eq!((read.count("script"), read.count("style")), (1, 1));
    for foreign in ["iframe", "object", "embed", "form", "base", "audio", "video", "foreignObject"] {
        assert_eq!(read.count(foreign), 0, "{foreign}");
    }
    let policy =
        read.elements.iter().find(|it| it.attribute("http-equiv") == Some("Content-Security-Policy"));
    let policy = policy.and_then(|it| it.attribute("content")).expect("a policy");
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    read
}
