//! `claim-server`: serves the app and the claims API.

use std::io::{self, BufRead};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use claim_domain::lifecycle::Desk;
use claim_server::{App, Driver, Followed, Options, feed, hooks, policies, serve, services};
use clap::{Parser, Subcommand};
use ipnet::IpNet;

/// Reference claims API of Baoan.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8080")]
    addr: SocketAddr,
    /// Directory with database, uploads and key.
    #[arg(long, default_value = "data")]
    data: PathBuf,
    /// Folder with the built app.
    #[arg(long)]
    dist: Option<PathBuf>,
    /// Adds invented policies and staff, and /demo, which shows their messages.
    #[arg(long)]
    demo: bool,
    /// Served over TLS: cookies are `__Host-` and Secure, HSTS is sent.
    #[arg(long)]
    secure: bool,
    /// Networks of the proxies in front of this server, 10.0.0.0/8,127.0.0.1/32: what they append
    /// to X-Forwarded-For is trusted. Without a value: this machine.
    #[arg(long, value_delimiter = ',', num_args = 0..=1, require_equals = true, default_missing_value = "127.0.0.0/8,::1/128")]
    behind_proxy: Vec<IpNet>,
    /// File with the installation key, 32 bytes, created if missing; by default secret.key in the
    /// data directory. If kept elsewhere, a copy of the data directory opens nothing.
    #[arg(long)]
    key: Option<PathBuf>,
    /// Program that checks each photo and PDF before it is accepted, such as a virus scanner: reads
    /// it from standard input and exits with 0 (good) or 1 (refused). If it fails, nothing is
    /// accepted.
    #[arg(long)]
    scan: Option<PathBuf>,
    /// File for the daily anchors of the logs; by default anchors in the data directory.
    #[arg(long)]
    anchors: Option<PathBuf>,
    /// File for the audit log; by default audit.log in the data directory.
    #[arg(long)]
    audit: Option<PathBuf>,
    /// Gateway to POST messages to, https://host/path; without it they go to messages.log in the
    /// data directory.
    #[arg(long)]
    messages: Option<String>,
    /// Public address of this server, https://claims.example.com, for links in messages and codes.
    #[arg(long)]
    address: Option<String>,
    /// The insurer's system, asked for policies that are not here, https://host/path: requests are
    /// signed and run in the background (docs/POLICIES.md).
    #[arg(long)]
    policies: Option<String>,
    /// Megabytes of disk space to keep free.
    #[arg(long, default_value_t = 1024)]
    keep_free_mb: u64,
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
    /// Writes every photo and PDF, decrypted, into a folder: the data directory holds them sealed.
    Files { folder: PathBuf },
    /// Prints every route with who may use it.
    Routes,
    /// Prints the key with which another system signs, or checks our signature: bank, messages,
    /// launch, policies.
    Key { peer: String },
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
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_target(false)
        .init();
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("claim-server: {sentence}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<(), String> {
    let options = Options {
        data: cli.data,
        dist: cli.dist,
        demo: cli.demo,
        secure: cli.secure,
        proxies: cli.behind_proxy,
        key: cli.key,
        scan: cli.scan,
        anchors: cli.anchors,
        audit: cli.audit,
        address: cli.address.unwrap_or_default(),
        policies: cli.policies,
        messages: cli.messages.map_or(Driver::Log, Driver::Webhook),
        keep_free: cli.keep_free_mb << 20,
    };
    if let Some(Command::Routes) = cli.command {
        claim_server::routes().for_each(|(path, method, access)| {
            println!("{:7} {path}\t{access:?}", method.to_uppercase())
        });
        return Ok(());
    }
    let app = match cli.command {
        Some(Command::Verify | Command::Key { .. } | Command::Files { .. }) => {
            App::open_to_read(options).await?
        }
        _ => App::open(options).await?,
    };
    match cli.command {
        None => serve(app, cli.addr).await,
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
        Some(Command::Verify) => {
            let Followed {
                claims,
                events,
                files,
                looks,
                anchors,
            } = app.verify().await?;
            println!(
                "{claims} claims, {events} events, {files} files, {looks} looks, {anchors} anchors: everything matches"
            );
            Ok(())
        }
        // Handled above, before anything was opened.
        Some(Command::Routes) => Ok(()),
        Some(Command::Key { peer }) => {
            println!("{}", app.peer_key(&peer));
            Ok(())
        }
    }
}
