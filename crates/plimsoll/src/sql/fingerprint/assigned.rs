//! The values that a statement gives to settings. Such a value may be written as a name (`SET app.token TO hunter2`), and is a
//! constant all the same.

use crate::sql::lexer::Token;

/// What follows ALTER where settings are given to something that has them.
const HOLDERS: [&str; 7] = ["system", "role", "user", "database", "function", "procedure", "routine"];

/// Where in a statement the reading is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Assigned {
    #[default]
    Start,
    /// Behind ALTER.
    Alter,
    /// What is altered holds settings; SET may follow.
    Holder,
    /// Behind SET; TO or an equals sign may follow.
    Set,
    /// Behind TO or the equals sign: values.
    Values,
    /// In a statement that gives no value to a setting.
    Other,
}

impl Assigned {
    /// Takes the next token, and says whether it is a value of a setting, if it is a word or a name.
    pub(super) fn is_value(&mut self, token: &Token<'_>) -> bool {
        *self = match (*self, token) {
            (_, Token::Semicolon) => Assigned::Start,
            (Assigned::Start, token) if token.is("set") => Assigned::Set,
            (Assigned::Start, token) if token.is("alter") => Assigned::Alter,
            (Assigned::Alter, token) if HOLDERS.iter().any(|holder| token.is(holder)) => Assigned::Holder,
            (Assigned::Holder, token) if token.is("set") => Assigned::Set,
            (Assigned::Set, token) if token.is("to") => Assigned::Values,
            (Assigned::Set, Token::Operator(run)) if run.starts_with(b"=") => Assigned::Values,
            (Assigned::Start | Assigned::Alter, _) => Assigned::Other,
            (Assigned::Values, token) => return !token.is("default"),
            (state, _) => state,
        };
        false
    }
}
