//! What `--help` says below the options of commands that have no words of their own there. Every line is parsed by a test, so that none
//! names an option that does not exist.

pub(crate) const LONG: &str = "\
Examples:
  plimsoll long                                      what has gone on for over a second
  plimsoll long --min 1min --idle-in-transaction     transactions that wait for their program
  plimsoll long --application orders --json          of one application, for programs
";

pub(crate) const BLOCKING: &str = "\
Examples:
  plimsoll blocking                                  who waits for whom at this moment
  plimsoll blocking --watch --keep stalls.jsonl      pile-ups, told and kept when they are over
  plimsoll blocking --watch --within 10min           for ten minutes
";

pub(crate) const CANCEL: &str = "\
Examples:
  plimsoll cancel 4711                               what would be cancelled, and lost with it
  plimsoll cancel 4711 --run --why 'runaway report'  does it, with a line for the record
  plimsoll cancel --application report --older-than 5min --run
  plimsoll cancel --blocking --safest --run --escalate 10s
";

pub(crate) const TOP: &str = "\
Examples:
  plimsoll top                                       the screen; its last line tells the keys
  plimsoll top --service http://10.0.0.3:8080        with the pool and the breaker of a service on Plimsoll
  plimsoll top --once                                one screen as text
  plimsoll top --json | jq .blocking                 the same for programs
";

pub(crate) const TERMINATE: &str = "\
Examples:
  plimsoll terminate 4711                            what would be ended, and lost with it
  plimsoll terminate --idle-in-transaction --older-than 10min --run
";

pub(crate) const MIGRATE: &str = "\
Examples:
  plimsoll migrate status migrations                 how far the files of a folder have come
  plimsoll migrate plan migrations                   what would be run
  plimsoll migrate apply migrations --steps 1        one file, after a question
  plimsoll migrate lint migrations                   what squawk says of it
";

pub(crate) const LOAD: &str = "\
Examples:
  plimsoll load http http://127.0.0.1:8080/orders --rate 200 --for 10s
  plimsoll load http -H @token -t '3 GET http://web:8080/orders' -t '1 GET http://web:8080/stock'
  plimsoll load http --targets-file targets.toml --arrivals poisson --save baseline.json
  plimsoll load http --targets-file targets.toml --arrivals poisson --against baseline.json
  plimsoll load sql 'SELECT count(*) FROM orders' --rate 100 --connections 8 --html load.html
  plimsoll load pool-size                            with a small transaction on tables of its own
  plimsoll load pool-size 'SELECT count(*) FROM orders' --rate 180 --instances 3
";

pub(crate) const TIMEOUTS: &str = "\
Examples:
  plimsoll timeouts --role app                       what the server gives the application's role
  plimsoll timeouts --role app --env .env --nginx /etc/nginx/nginx.conf --pooler /etc/pgbouncer/pgbouncer.ini
  plimsoll timeouts --no-server --env .env --svg timeouts.svg
";

pub(crate) const INDEXES: &str = "\
Examples:
  plimsoll indexes                                   what does nothing, or nothing that another does not
  plimsoll indexes public.orders                     all of a table
";

pub(crate) const INTEGRITY: &str = "\
Examples:
  plimsoll integrity                                 what is promised, and what was never validated
  plimsoll integrity --table public.orders --count --each 30s
";

pub(crate) const REPORT: &str = "\
Examples:
  plimsoll report --role app -o orders.html          a page to read, to keep and to hand on
  plimsoll report postgres://monitor@db1/orders -o orders.html --within 120
  plimsoll report -o - --env .env --nginx /etc/nginx/nginx.conf > orders.html
  plimsoll report -o orders.html --with-constants    for those who may see what the database holds

The page is one file that loads nothing. It has no constants of statements and no passwords; an existing file is replaced only if it
is an earlier page. Exit status as of doctor; 3 too where a part is not on the page and nothing worse was found.
";

pub(crate) const SIZES: &str = "\
Examples:
  plimsoll sizes                                     the ten largest tables
  plimsoll sizes --limit 50 --partitions --json
";

pub(crate) const STATEMENTS: &str = "\
Examples:
  plimsoll statements                                by the time of all calls together
  plimsoll statements --by mean --more-than-calls 100
  plimsoll statements --keep look.jsonl              keeps the counters, from cron
  plimsoll statements --keep look.jsonl --since      what was done since the last look
";

pub(crate) const BLOAT: &str = "\
Examples:
  plimsoll bloat                                     estimated, with how, and the SQL that rebuilds
  plimsoll bloat --table public.orders --exact       counted: it reads the table
";

pub(crate) const VACUUM: &str = "\
Examples:
  plimsoll vacuum                                    what autovacuum would do, and what holds it back
  plimsoll vacuum --table public.orders --json
";

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    /// The words of a line, in which quotes hold blanks together, up to what explains it or where its output goes.
    fn words(line: &str) -> Vec<String> {
        let command = line.trim().split("  ").next().unwrap_or_default();
        let command = command.split(['>', '|']).next().unwrap_or_default();
        let mut words = Vec::new();
        for (place, part) in command.split('\'').enumerate() {
            if place % 2 == 1 {
                words.push(part.to_owned());
            } else {
                words.extend(part.split_whitespace().map(str::to_owned));
            }
        }
        words
    }

    #[test]
    fn every_example_of_every_command_is_a_command_line() {
        let mut command = crate::command_line();
        command.build();
        let mut looked_at = 0;
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            let help = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:\n"), "{} has no examples", sub.get_name());
            let examples = help.lines().skip_while(|line| *line != "Examples:").skip(1);
            for line in examples.take_while(|line| line.trim().starts_with("plimsoll ")) {
                match crate::command_line().try_get_matches_from(words(line)) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::DisplayHelp => {}
                    Err(error) => panic!("{line}: {error}"),
                }
                looked_at += 1;
            }
        }
        assert!(looked_at > 20, "only {looked_at} examples were found");
    }
}
