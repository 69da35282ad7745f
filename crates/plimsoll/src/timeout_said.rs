//! What the server says when a statement has reached `statement_timeout`.
//!
//! It has the same code (57014) and the same routine as a cancel by another client, and only the text tells the two apart.
//! The text is in the language of `lc_messages`, so all of the server's translations are listed. Where a text is in none
//! of them, the limits that this crate has set are still known by their time.

use tokio_postgres::error::DbError;

/// The texts. Source: PostgreSQL's catalogs `src/backend/po`, version 15; a language that is not here has no translation
/// of it and says it in English.
const TEXTS: &[&str] = &[
    "canceling statement due to statement timeout",
    "storniere Anfrage wegen Zeitüberschreitung der Anfrage",
    "cancelando la sentencia debido a que se agotó el tiempo de espera de sentencias",
    "annulation de la requête à cause du délai écoulé pour l'exécution de l'instruction",
    "annullamento dell'istruzione a causa di timeout",
    "ステートメントのタイムアウトのためステートメントをキャンセルしています",
    "명령실행시간 초과로 작업을 취소합니다.",
    "выполнение оператора отменено из-за тайм-аута",
    "avbryter sats på grund av sats-timeout",
    "виконання оператора скасовано через тайм-аут",
    "由于语句执行超时，正在取消查询命令",
];

/// Whether this error of code 57014 says that the statement has reached `statement_timeout`.
pub(crate) fn is_statement_timeout(error: &DbError) -> bool {
    is_of_timeout(error.message())
}

fn is_of_timeout(message: &str) -> bool {
    TEXTS.contains(&message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogs;

    #[test]
    fn a_timeout_is_known_in_each_language_and_a_cancel_is_none_by_catalogs() {
        let catalogs = catalogs::of_server();
        assert!(!catalogs.is_empty(), "the server's catalogs are not installed");
        let mut found = 0;
        for (path, catalog) in &catalogs {
            for (message, is_timeout) in [
                ("canceling statement due to statement timeout", true),
                ("canceling statement due to user request", false),
                ("canceling statement due to lock timeout", false),
            ] {
                let said = catalog.get(message).map_or(message, String::as_str);
                assert_eq!(is_of_timeout(said), is_timeout, "{}: {said}", path.display());
                found += usize::from(said != message);
            }
        }
        assert!(found > 20, "only {found} of the texts are translated");
    }
}
