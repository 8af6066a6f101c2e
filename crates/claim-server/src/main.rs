//! `claim-server`: serves the app and the claims API.

use std::io::{self, BufRead};
use std::path::PathBuf;
use std::process::ExitCode;

use claim_domain::Day;
use claim_domain::lifecycle::Desk;
use claim_server::{
    Address, App, Log, Settings, Telemetry, feed, hooks, keys, policies, restore, retention, serve,
    services,
};
use clap::{Parser, Subcommand};

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Reference claims API of Baoan.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Settings (docs/OPERATIONS.md); the environment and the options below win.
    #[arg(long, env = "BAOAN_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Adds a staff account; the password is read from standard input.
    AddStaff {
        /// Login name.
        name: String,
        /// Desk: intake, surveyor, assessor, adjudicator, finance or supervisor.
        desk: String,
        /// What customers see, such as "李 工号 1001".
        shown_as: String,
    },
    /// Gives a member of staff a second factor (TOTP): prints what an authenticator app scans, now
    /// and never again. A former one ends.
    SecondFactor {
        name: String,
        /// Takes it away.
        #[arg(long)]
        remove: bool,
    },
    /// Ends an account and its sessions; what was done with it stays.
    RemoveStaff { name: String },
    /// Prints the code that enrols a machine in a branch as a kiosk: typed in there at
    /// /kiosk/enrol, once, within a day.
    Kiosk {
        /// Name, such as "hz-01"; the same name again enrols that machine anew.
        name: String,
        /// Paper of its printer: 58, 80 (millimetres) or a4.
        #[arg(long, default_value = "80")]
        paper: String,
        /// Seconds without a touch until it asks whether somebody is still there; after half as
        /// long again, everything is wiped.
        #[arg(long, default_value_t = 60)]
        idle_seconds: u32,
    },
    /// The server's own table of policies.
    Policies {
        #[command(subcommand)]
        command: PoliciesCommand,
    },
    /// Systems that every event is sent to (docs/INTEGRATION.md).
    Hooks {
        #[command(subcommand)]
        command: HooksCommand,
    },
    /// Accounts of other systems that read claims and take steps (docs/INTEGRATION.md).
    Services {
        #[command(subcommand)]
        command: ServicesCommand,
    },
    /// Writes every event after a number as NDJSON (CloudEvents) to standard output, for a
    /// warehouse.
    Events {
        #[arg(long, default_value_t = 0)]
        after: i64,
    },
    /// Verifies every hash chain, file and anchor; fails with an error that names the first
    /// mismatch. Writes nothing.
    Verify,
    /// Adds a point to a backup folder, while the server runs: one moment of everything that is
    /// kept; of the files only what is new is copied. The installation key is not in it: keep that
    /// elsewhere.
    Backup {
        folder: PathBuf,
        /// Days after which former points are removed.
        #[arg(long)]
        keep: Option<u32>,
    },
    /// Fills the empty data directory from the newest point of a backup, and verifies it with the
    /// installation key.
    Restore {
        folder: PathBuf,
        /// From the newest point until then: 2026-12-01, or 2026-12-01T05:53:00Z (UTC).
        #[arg(long)]
        at: Option<String>,
    },
    /// Writes every photo and PDF, decrypted, into a folder: the data directory holds them sealed.
    Files { folder: PathBuf },
    /// The settings.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Brings the data up to the version of this program, which the first start does, too.
    Migrate {
        /// Does it to a copy of the database, verifies that, and leaves everything as it is. The copy
        /// needs as much room again as the database has.
        #[arg(long)]
        check: bool,
    },
    /// Erases claims, files and policies that no longer have to be kept (`keep_years`), and reports
    /// each, one JSON object a line.
    Retention {
        /// Erases nothing.
        #[arg(long)]
        dry_run: bool,
        /// As it would be on this day, 2036-01-31.
        #[arg(long, requires = "dry_run")]
        on: Option<String>,
        /// Although nothing has happened for a month: otherwise such a clock is not believed.
        #[arg(long)]
        clock_is_right: bool,
    },
    /// Prints every route with who may use it.
    Routes,
    /// Prints the key with which another system signs, or checks our signature: bank, messages,
    /// launch, policies, hook/NAME.
    Key {
        peer: String,
        /// Makes and prints its next key: its requests may have either, events carry both
        /// signatures, other requests of ours still the present one.
        #[arg(long, conflicts_with = "switch")]
        next: bool,
        /// From now on only the next key is valid.
        #[arg(long)]
        switch: bool,
    },
    /// Makes a new installation key, and one for receipts, while the server runs: the key file has
    /// the former ones behind it until --finish. Receipts signed before stay valid.
    RotateKey {
        /// Forgets former keys; fails while something needs them. Backups made before need them,
        /// too: keep a copy.
        #[arg(long)]
        finish: bool,
    },
}

#[derive(Subcommand)]
enum PoliciesCommand {
    /// Imports policies from a CSV or NDJSON file (docs/POLICIES.md). One bad line rejects the
    /// whole file; importing the same file again changes nothing.
    Import {
        file: PathBuf,
        /// Reports what is wrong and writes nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Writes every policy as NDJSON to standard output.
    Export,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Says whether file, environment and options are fine, or what is not.
    Check,
}

#[derive(Subcommand)]
enum HooksCommand {
    /// Adds a system, which is told of every event from now on, or changes its address; prints the
    /// secret of its signatures.
    Add {
        name: String,
        url: String,
    },
    Remove {
        name: String,
    },
    /// Prints each system: how far it is, how many claims wait, how many events were given up.
    List,
    /// Prints the events that were given up.
    Dead {
        name: String,
    },
    /// Sends everything after a number again.
    Replay {
        name: String,
        after: i64,
    },
}

#[derive(Subcommand)]
enum ServicesCommand {
    /// Adds an account or changes one; prints its secret, which is shown only now.
    Add {
        name: String,
        /// What customers see, such as "理赔核心".
        shown_as: String,
        /// read, register, survey, assess, decide, pay, supervise, message.
        #[arg(required = true)]
        scopes: Vec<String>,
    },
    Remove {
        name: String,
    },
}

async fn of_hooks(app: &App, command: HooksCommand) -> Result<(), String> {
    match command {
        HooksCommand::Add { name, url } => println!("{}", hooks::add(app, &name, &url).await?),
        HooksCommand::Remove { name } => hooks::remove(app, &name).await?,
        HooksCommand::Replay { name, after } => hooks::replay(app, &name, after).await?,
        HooksCommand::List => {
            let (all, newest) = hooks::list(app).await?;
            for (hook, waiting, dead) in all {
                let (done, url) = (hook.done, &hook.url);
                println!(
                    "{}\t{url}\t{done} of {newest}\t{waiting} claims wait\t{dead} events given up",
                    hook.name
                );
            }
        }
        HooksCommand::Dead { name } => {
            for (seq, at, reason) in hooks::dead(app, &name).await? {
                println!("{seq}\t{at}\t{reason}");
            }
        }
    }
    Ok(())
}

async fn of_services(app: &App, command: ServicesCommand) -> Result<(), String> {
    match command {
        ServicesCommand::Add {
            name,
            shown_as,
            scopes,
        } => println!("{}", services::add(app, &name, &shown_as, &scopes).await?),
        ServicesCommand::Remove { name } => services::remove(app, &name).await?,
    }
    Ok(())
}

async fn of_policies(app: &App, command: PoliciesCommand) -> Result<(), String> {
    match command {
        PoliciesCommand::Export => {
            let count = policies::export(app, &mut io::BufWriter::new(io::stdout())).await?;
            eprintln!("{count} policies");
            Ok(())
        }
        PoliciesCommand::Import { file, dry_run } => {
            let outcome = policies::import(app, &policies::Pages::File(file), dry_run).await?;
            for (line, reason) in &outcome.wrong {
                eprintln!("line {line}: {reason}");
            }
            let all = outcome.wrong_in_all;
            match (all, dry_run) {
                (0, true) => println!("{} policies, all valid; nothing was written", outcome.read),
                (0, false) => println!(
                    "{} policies: {} new, {} known before",
                    outcome.read,
                    outcome.fresh,
                    outcome.read - outcome.fresh
                ),
                (n, _) => {
                    return Err(format!(
                        "{n} of {} policies are invalid; nothing was written",
                        outcome.read
                    ));
                }
            }
            Ok(())
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("claim-server: {sentence}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), String> {
    let cli = Cli::parse();
    let file = match &cli.config {
        Some(path) => {
            let name = path.display().to_string();
            let text =
                std::fs::read_to_string(path).map_err(|e| format!("{name} cannot be read: {e}"))?;
            Settings::parse(&text, &name)?
        }
        None => Settings::default(),
    };
    let settings = cli.settings.over(file);
    let collector = settings.traces.as_ref().map(Address::as_str);
    let _telemetry = Telemetry::start(settings.log.unwrap_or(Log::Text), collector)?;
    let (options, addr) = settings.options()?;
    if let Some(Command::Config { .. }) = cli.command {
        println!("fine");
        return Ok(());
    }
    if let Some(Command::Routes) = cli.command {
        claim_server::routes().for_each(|(path, method, access)| {
            println!("{:7} {path}\t{access:?}", method.to_uppercase())
        });
        return Ok(());
    }
    if let Some(Command::Restore { folder, at }) = &cli.command {
        let (point, files) = restore(folder, at.as_deref(), &options.data)?;
        println!("{point}: {files} files");
    }
    if let Some(Command::Backup { folder, keep }) = &cli.command {
        let made = App::backup(&options, folder, *keep).await?;
        println!(
            "{}: {} files, {} of them new with {} bytes; {} former points removed",
            made.point, made.files, made.fresh, made.bytes, made.removed
        );
        return Ok(());
    }
    if let Some(Command::Migrate { check: true }) = cli.command {
        let began = std::time::Instant::now();
        let (from, to, followed) = App::rehearse(options).await?;
        println!(
            "from version {from} to {to} in {:.1?}, on a copy: {followed}",
            began.elapsed()
        );
        return Ok(());
    }
    let app = match cli.command {
        Some(
            Command::Verify
            | Command::Key {
                next: false,
                switch: false,
                ..
            }
            | Command::Files { .. }
            | Command::Retention { dry_run: true, .. }
            | Command::Restore { .. },
        ) => App::open_to_read(options).await?,
        _ => App::open(options).await?,
    };
    match cli.command {
        None => serve(app, addr).await,
        Some(Command::AddStaff {
            name,
            desk,
            shown_as,
        }) => {
            let desk =
                Desk::parse(&desk).ok_or_else(|| format!("{desk:?} is not a desk; see --help"))?;
            let password = io::stdin()
                .lock()
                .lines()
                .next()
                .and_then(Result::ok)
                .unwrap_or_default();
            app.add_staff(&name, &shown_as, desk, &password).await
        }
        Some(Command::SecondFactor { name, remove }) => {
            if let Some(address) = app.second_factor(&name, remove).await? {
                println!("{address}");
            }
            Ok(())
        }
        Some(Command::RemoveStaff { name }) => app.remove_staff(&name).await,
        Some(Command::Kiosk {
            name,
            paper,
            idle_seconds,
        }) => {
            println!("{}", app.add_kiosk(&name, &paper, idle_seconds).await?);
            Ok(())
        }
        Some(Command::Hooks { command }) => of_hooks(&app, command).await,
        Some(Command::Services { command }) => of_services(&app, command).await,
        Some(Command::Events { after }) => {
            let out = &mut io::BufWriter::new(io::stdout());
            let count = feed::export(&app, after, out).await?;
            eprintln!("{count} events");
            Ok(())
        }
        Some(Command::Policies { command }) => of_policies(&app, command).await,
        Some(Command::Files { folder }) => {
            println!("{} files", app.export_files(&folder).await?);
            Ok(())
        }
        Some(Command::Verify | Command::Restore { .. }) => {
            println!("{}", app.verify().await?);
            Ok(())
        }
        // Done above; opening is what brings data up to date.
        Some(
            Command::Routes
            | Command::Config { .. }
            | Command::Backup { .. }
            | Command::Migrate { .. },
        ) => Ok(()),
        Some(Command::Key { peer, next, switch }) => {
            let key = match (next, switch) {
                (true, _) => keys::of_peer(&app, &peer, keys::Step::Prepare).await?,
                (_, true) => keys::of_peer(&app, &peer, keys::Step::Switch).await?,
                (false, false) => app.peer_key(&peer),
            };
            println!("{key}");
            Ok(())
        }
        Some(Command::Retention {
            dry_run,
            on,
            clock_is_right,
        }) => {
            let day = on.as_deref().map(|day| {
                Day::parse(day).ok_or_else(|| format!("{day:?} is not a day such as 2036-01-31"))
            });
            let out = &mut io::stdout().lock();
            let wish = retention::Wish {
                dry_run,
                on: day.transpose()?,
                clock_is_right,
            };
            retention::run(&app, wish, out).await?;
            Ok(())
        }
        Some(Command::RotateKey { finish: true }) => keys::finish(&app).await,
        Some(Command::RotateKey { finish: false }) => {
            println!("{} values moved", keys::rotate(&app).await?);
            Ok(())
        }
    }
}
