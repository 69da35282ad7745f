//! Has pgstattuple count: one table or index at a time, each within a limit of time, with a word before each, since it is read.

use super::{Found, Options, Relation, State};
use crate::ask::{read, read_for};
use crate::interrupts::Interrupts;
use crate::show::without_control;
use anyhow::{Result, bail};
use plimsoll::DirectConnection;
use plimsoll_inspect::bloat::exact::{
    Counted, Extension, MEASURES, METHOD_INDEX, METHOD_LARGE, METHOD_TABLE, of_index, of_table,
};
use std::io::Write;
use std::time::Duration;

/// How long the server has to act on a cancel.
const CANCEL_WITHIN: Duration = Duration::from_secs(2);

pub(super) async fn measure(
    connection: &DirectConnection,
    found: &mut Found,
    options: &Options,
) -> Result<()> {
    let mut interrupts = Interrupts::listen()?;
    let extension = match read(connection.client(), MEASURES, Extension::read).await? {
        Ok(Some(extension)) if extension.may => extension,
        Ok(Some(_)) => bail!(
            "the role that connects may not use pgstattuple: GRANT pg_stat_scan_tables to it, or leave --exact out"
        ),
        Ok(None) => bail!(
            "the extension pgstattuple is not installed in database {}: CREATE EXTENSION pgstattuple, or leave --exact out",
            found.database
        ),
        Err(why) => bail!("whether pgstattuple is installed is not known: {why}"),
    };
    let is_named = !options.tables.is_empty();
    // They are sorted by what they waste; those that are not known and large stand among them.
    let worth = |relation: &&mut Relation| {
        is_named || relation.state >= State::Unknown || relation.wasted_bytes > Some(0.0)
    };
    let most = if is_named { usize::MAX } else { usize::try_from(options.worst)? };
    for relation in found.relations.iter_mut().filter(worth).take(most) {
        tell(relation, options.exact_within);
        let counting = count(connection, &extension, relation, options);
        let counted = tokio::select! {
            counted = counting => counted?,
            () = interrupts.next() => {
                connection.cancel(CANCEL_WITHIN).await?;
                found.is_interrupted = true;
                return Ok(());
            }
        };
        match counted {
            Ok(counted) => {
                let is_large = relation.bytes > options.approx_above * super::MB;
                let method = match relation.kind {
                    "index" => METHOD_INDEX,
                    _ if is_large => METHOD_LARGE,
                    _ => METHOD_TABLE,
                };
                relation.know(counted.estimate, method);
                relation.dead_rows = (relation.kind != "index").then_some(counted.dead);
                relation.why_not = None;
                relation.run = None;
            }
            Err(why) => relation.why_not = Some(format!("not counted: {why}")),
        }
    }
    Ok(())
}

/// Says what is read now, beside the result.
fn tell(relation: &Relation, limit: Duration) {
    let _ = writeln!(
        std::io::stderr(),
        "reading {} {} ({}), for at most {} s",
        relation.kind,
        without_control(&relation.name),
        super::screen::size(relation.bytes),
        limit.as_secs_f64()
    );
}

async fn count(
    connection: &DirectConnection,
    extension: &Extension,
    relation: &Relation,
    options: &Options,
) -> Result<Result<Counted, String>> {
    let (client, limit) = (connection.client(), options.exact_within);
    let counted = match relation.kind {
        "index" => {
            let read = |answer: &[_]| of_index(answer, relation.fill_factor);
            read_for(client, &extension.index(&relation.name), limit, read).await?
        }
        _ => {
            let read = |answer: &[_]| of_table(answer, relation.fill_factor);
            let is_large = relation.bytes > options.approx_above * super::MB;
            read_for(client, &extension.table(&relation.name, is_large), limit, read).await?
        }
    };
    Ok(counted.and_then(|counted| counted.ok_or_else(|| "pgstattuple answered nothing".to_owned())))
}
