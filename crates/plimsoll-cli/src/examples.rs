//! What `--help` says below the options of commands that have no words of their own there. Every line is parsed by a test, so that none
//! names an option that does not exist.

pub(crate) const LONG: &str = "\
Examples:
  plimsoll long                                      what has gone on for over a second
  plimsoll long --older-than 1m --idle-in-transaction transactions that wait for their program
  plimsoll long --application orders --json          of one application, for programs
";

pub(crate) const BLOCKING: &str = "\
Examples:
  plimsoll blocking                                  who waits for whom at this moment
  plimsoll blocking --watch --keep stalls.jsonl      pile-ups, told and kept when they are over
  plimsoll blocking --watch --within 10m             for ten minutes
";

pub(crate) const CANCEL: &str = "\
Examples:
  plimsoll cancel 4711                               what would be cancelled, and lost with it
  plimsoll cancel 4711 --run --why 'runaway report'  does it, with a line for the record
  plimsoll cancel --application report --older-than 5m --run
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
  plimsoll terminate --idle-in-transaction --older-than 10m --run
";

pub(crate) const MIGRATE: &str = "\
Examples:
  plimsoll migrate status migrations                 how far the files of a folder have come
  plimsoll migrate plan migrations                   what would be run
  plimsoll migrate apply migrations --steps 1 --run  one file, after a question
  plimsoll migrate lint migrations                   what squawk says of it
";

pub(crate) const LOAD: &str = "\
Examples:
  plimsoll load http http://127.0.0.1:8080/orders --rate 200 --for 10s
  plimsoll load http -H @token -t '3 GET http://web:8080/orders' -t '1 GET http://web:8080/stock'
  plimsoll load http --targets-file targets.toml --arrivals poisson --save baseline.json
  plimsoll load http --targets-file targets.toml --arrivals poisson --against baseline.json
  plimsoll load sql -c 'SELECT count(*) FROM orders' --rate 100 --connections 8 --html load.html
  plimsoll load pool-size                            with a small transaction on tables of its own
  plimsoll load pool-size -c 'SELECT count(*) FROM orders' --rate 180 --instances 3
";

pub(crate) const TIMEOUTS: &str = "\
Examples:
  plimsoll timeouts --role app                       what the server gives the application's role
  plimsoll timeouts --role app --env .env --nginx /etc/nginx/nginx.conf --pgbouncer /etc/pgbouncer/pgbouncer.ini
  plimsoll timeouts --no-server --env .env --svg timeouts.svg
";

pub(crate) const INDEXES: &str = "\
Examples:
  plimsoll indexes                                   what does nothing, or nothing that another does not
  plimsoll indexes --table public.orders             all of a table
";

pub(crate) const INTEGRITY: &str = "\
Examples:
  plimsoll integrity                                 what is promised, and what was never validated
  plimsoll integrity --table public.orders --count --each 30s
";

pub(crate) const REPORT: &str = "\
Examples:
  plimsoll report --role app -o orders.html          a page to read, to keep and to hand on
  plimsoll report postgres://monitor@db1/orders -o orders.html --within 2min
  plimsoll report -o - --env .env --nginx /etc/nginx/nginx.conf > orders.html
  plimsoll report -o orders.html --with-constants    for those who may see what the database holds

The page is one file that loads nothing. It has no constants of statements and no passwords; an existing file is replaced only if it
is an earlier page. Where a part is not on the page and nothing worse was found, the exit status is 3.
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
  plimsoll statements --keep look.jsonl --last       what was done since the last look
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

pub(crate) const CHAOS: &str = "\
Examples:
  plimsoll chaos --service http://10.0.0.3:8080/orders --table public.orders lock-pile-up
  plimsoll chaos --service http://10.0.0.3:8080/orders --health http://10.0.0.3:8080/readyz --run connection-exhaustion
  plimsoll chaos --service http://127.0.0.1:8080/orders --proxy 127.0.0.1:6432 freeze cut restart --yes --json
  plimsoll chaos --replay read-only-switchover       an outage in small; needs no service
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

    fn parses(line: &str) {
        match crate::command_line().try_get_matches_from(words(line)) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::DisplayHelp => {}
            Err(error) => panic!("{line}: {error}"),
        }
    }

    /// A sentence may name a command or an option without what belongs to it.
    fn exists(quoted: &str) {
        use ErrorKind::{
            DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, InvalidValue, MissingRequiredArgument,
        };
        if let Err(error) = crate::command_line().try_get_matches_from(words(quoted)) {
            let names_only = [DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, MissingRequiredArgument]
                .contains(&error.kind())
                || (error.kind() == InvalidValue && error.to_string().contains("none was supplied"));
            assert!(names_only, "{quoted}: {error}");
        }
    }

    /// What guides and runbooks say is to be run, in a block or in a sentence.
    #[test]
    fn every_command_of_the_guides_is_a_command_line() {
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let (mut in_blocks, mut in_sentences) = (0, 0);
        for folder in ["guides", "runbooks"] {
            for entry in std::fs::read_dir(docs.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_none_or(|extension| extension != "md") {
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                for (place, part) in text.split("```").enumerate() {
                    let is_block = place % 2 == 1;
                    if is_block && part.starts_with("sh\n") {
                        let commands = part.lines().filter(|line| line.trim().starts_with("plimsoll "));
                        in_blocks += commands.inspect(|line| parses(line)).count();
                    } else if !is_block {
                        // A command in a sentence may go over the end of a line.
                        let quoted =
                            part.split('`').skip(1).step_by(2).filter(|it| it.starts_with("plimsoll "));
                        let quoted = quoted.map(|it| it.split_whitespace().collect::<Vec<_>>().join(" "));
                        in_sentences += quoted.inspect(|it| exists(it)).count();
                    }
                }
            }
        }
        assert!(in_blocks > 20 && in_sentences > 20, "{in_blocks} and {in_sentences} were found");
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
                parses(line);
                looked_at += 1;
            }
        }
        assert!(looked_at > 20, "only {looked_at} examples were found");
    }
}
