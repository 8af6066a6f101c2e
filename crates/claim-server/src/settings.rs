//! How a server is run: one TOML file, each of its values overridden by the environment and that by
//! the command line.
//!
//! Promise: a value that cannot be meant is refused at the start, in one sentence with file and line.
//! No secret stands here or on a command line: secrets are files.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use claim_domain::lifecycle::Desk;
use ipnet::IpNet;
use serde::Deserialize;

use crate::store::disk;
use crate::work::retention::LEAST_YEARS;
use crate::{Driver, Options, Provider, TlsFiles};

/// Everything that may be set; `None` is the default, which `deploy/baoan.toml` documents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address to listen on [default: 127.0.0.1:8080].
    #[arg(long, env = "BAOAN_ADDR")]
    pub addr: Option<SocketAddr>,
    /// Directory with database, uploads and key [default: data].
    #[arg(long, env = "BAOAN_DATA")]
    pub data: Option<PathBuf>,
    /// Folder with the built app; without it the app that is in the program, if there is one, else
    /// only the API and the plain pages are served.
    #[arg(long, env = "BAOAN_DIST")]
    pub dist: Option<PathBuf>,
    /// Adds invented policies and staff, and /demo, which shows their messages.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, env = "BAOAN_DEMO")]
    pub demo: Option<bool>,
    /// Served over TLS: cookies are `__Host-` and Secure, HSTS is sent.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, env = "BAOAN_SECURE")]
    pub secure: Option<bool>,
    /// Certificate chain (PEM), to serve TLS without a proxy; read again within a minute of a change
    /// and at SIGHUP. Implies --secure.
    #[arg(long, env = "BAOAN_TLS_CERT", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, env = "BAOAN_TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Whether there are staff pages; without them other systems are the desk [default: true].
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, env = "BAOAN_STAFF")]
    pub staff: Option<bool>,
    /// Staff need a second factor to sign in (`claim-server second-factor NAME`).
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, env = "BAOAN_SECOND_FACTOR")]
    pub second_factor: Option<bool>,
    /// Where staff sign in (OpenID Connect); only in the file.
    #[arg(skip)]
    pub sso: Option<Sso>,
    /// Networks of the proxies in front of this server, 10.0.0.0/8,127.0.0.1/32: what they append
    /// to X-Forwarded-For is trusted. On the command line without a value: this machine.
    #[arg(long, value_delimiter = ',', num_args = 0..=1, require_equals = true, default_missing_value = "127.0.0.0/8,::1/128", env = "BAOAN_BEHIND_PROXY")]
    pub behind_proxy: Option<Vec<IpNet>>,
    /// File with the installation key, 32 bytes, created if missing; by default secret.key in the
    /// data directory. If kept elsewhere, a copy of the data directory opens nothing.
    #[arg(long, env = "BAOAN_KEY")]
    pub key: Option<PathBuf>,
    /// Program that checks each photo and PDF before it is accepted, such as a virus scanner: reads
    /// it from standard input and exits with 0 (good) or 1 (refused). If it fails, nothing is
    /// accepted.
    #[arg(long, env = "BAOAN_SCAN")]
    pub scan: Option<PathBuf>,
    /// File for the daily anchors of the logs; by default anchors in the data directory.
    #[arg(long, env = "BAOAN_ANCHORS")]
    pub anchors: Option<PathBuf>,
    /// File for the audit log; by default audit.log in the data directory.
    #[arg(long, env = "BAOAN_AUDIT")]
    pub audit: Option<PathBuf>,
    /// Gateway to POST messages to, https://host/path; without it they go to messages.log in the
    /// data directory.
    #[arg(long, env = "BAOAN_MESSAGES")]
    pub messages: Option<Address>,
    /// Public address of this server, https://claims.example.com, for links in messages and codes.
    #[arg(long, env = "BAOAN_ADDRESS")]
    pub address: Option<Address>,
    /// The insurer's system, asked for policies that are not here, https://host/path: requests are
    /// signed and run in the background (docs/POLICIES.md).
    #[arg(long, env = "BAOAN_POLICIES")]
    pub policies: Option<Address>,
    /// Address to serve /metrics on, for Prometheus; not for the public.
    #[arg(long, env = "BAOAN_METRICS")]
    pub metrics: Option<SocketAddr>,
    /// Collector to send traces to, over OTLP (HTTP): http://127.0.0.1:4318/v1/traces [default:
    /// none].
    #[arg(long, env = "BAOAN_TRACES")]
    pub traces: Option<Address>,
    /// Years for which claims are kept after they and their policies ended, at least 10; then
    /// `claim-server retention` erases them [default: 10].
    #[arg(long, env = "BAOAN_KEEP_YEARS")]
    pub keep_years: Option<u32>,
    /// Megabytes of disk space to keep free [default: 1024].
    #[arg(long, env = "BAOAN_KEEP_FREE_MB")]
    pub keep_free_mb: Option<u32>,
    /// How the log is written to standard error: text or json [default: text].
    #[arg(long, env = "BAOAN_LOG")]
    pub log: Option<Log>,
}

/// Years for which claims may be kept.
const KEPT: std::ops::RangeInclusive<u32> = LEAST_YEARS..=100;

/// A provider of sign-ins (OpenID Connect).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sso {
    issuer: Address,
    client_id: String,
    /// File with the client's secret.
    secret: PathBuf,
    /// The claim that lists a person's groups.
    claim: String,
    /// Desk by group.
    desks: BTreeMap<String, Desk>,
}

impl Sso {
    fn provider(self) -> Result<Provider, String> {
        let secret = disk::text(&self.secret)
            .map_err(|e| format!("sso: {} cannot be read: {e}", self.secret.display()))?;
        Ok(Provider {
            issuer: self.issuer.0,
            client_id: self.client_id,
            secret: secret.trim().to_owned(),
            claim: self.claim,
            desks: self.desks,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Log {
    Text,
    Json,
}

/// An address of another system: `https://`, or `http://` (in a closed network).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Address(String);

impl TryFrom<String> for Address {
    type Error = String;
    fn try_from(text: String) -> Result<Address, String> {
        let rest = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"));
        let host = rest.and_then(|rest| rest.split('/').next());
        let fits = |host: &str| !host.is_empty() && !host.contains(['@', ' ', '?', '#']);
        if host.is_some_and(fits) && !text.contains(char::is_whitespace) {
            Ok(Address(text))
        } else {
            Err("not an address such as https://host/path".into())
        }
    }
}

impl Address {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Address {
    type Err = String;
    fn from_str(text: &str) -> Result<Address, String> {
        text.to_owned().try_into()
    }
}

impl Settings {
    /// Reads the text of the file `name`.
    ///
    /// # Errors
    /// One sentence with file and line.
    pub fn parse(text: &str, name: &str) -> Result<Settings, String> {
        let settings: Settings = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text[..start].matches('\n').count() + 1;
            format!("{name}:{line}: {}", error.message().replace('\n', " "))
        })?;
        settings.check().map_err(|why| format!("{name}: {why}"))?;
        Ok(settings)
    }

    /// What contradicts itself.
    fn check(&self) -> Result<(), String> {
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return Err("tls_cert and tls_key belong together".into());
        }
        if self.demo == Some(true) && self.is_secure() {
            return Err("demo creates accounts with publicly known passwords: it cannot be combined with secure or tls_cert".into());
        }
        if self.metrics.is_some() && self.metrics == self.addr.or(Some(default_addr())) {
            return Err("metrics and addr are the same address".into());
        }
        if self.keep_years.is_some_and(|years| !KEPT.contains(&years)) {
            return Err(format!(
                "keep_years: from {} to {}",
                KEPT.start(),
                KEPT.end()
            ));
        }
        let plain = |address: &Address| address.0.starts_with("http://");
        if self.is_secure() && self.address.as_ref().is_some_and(plain) {
            return Err("secure: address must begin with https://".into());
        }
        Ok(())
    }

    /// Behind TLS, a proxy's or our own.
    fn is_secure(&self) -> bool {
        self.secure == Some(true) || self.tls_cert.is_some()
    }

    /// These settings, and `below` where these say nothing.
    pub fn over(self, below: Settings) -> Settings {
        macro_rules! either {
            ($($name:ident)*) => { Settings { $($name: self.$name.or(below.$name)),* } };
        }
        either!(addr data dist demo secure tls_cert tls_key staff second_factor sso behind_proxy key scan anchors audit messages address policies metrics traces keep_years keep_free_mb log)
    }

    /// The options of a server, and where it listens.
    ///
    /// # Errors
    /// What contradicts itself.
    pub fn options(self) -> Result<(Options, SocketAddr), String> {
        self.check()?;
        let secure = self.is_secure();
        let options = Options {
            secure,
            data: self.data.unwrap_or_else(|| "data".into()),
            dist: self.dist,
            demo: self.demo.unwrap_or_default(),
            tls: self
                .tls_cert
                .zip(self.tls_key)
                .map(|(cert, key)| TlsFiles { cert, key }),
            no_staff: self.staff == Some(false),
            second_factor: self.second_factor.unwrap_or_default(),
            sso: self.sso.map(Sso::provider).transpose()?,
            proxies: self.behind_proxy.unwrap_or_default(),
            key: self.key,
            scan: self.scan,
            anchors: self.anchors,
            audit: self.audit,
            address: self.address.map(|a| a.0).unwrap_or_default(),
            policies: self.policies.map(|a| a.0),
            messages: self.messages.map_or(Driver::Log, |a| Driver::Webhook(a.0)),
            metrics: self.metrics,
            keep_years: self.keep_years.unwrap_or(LEAST_YEARS),
            keep_free: u64::from(self.keep_free_mb.unwrap_or(1024)) << 20,
        };
        Ok((options, self.addr.unwrap_or_else(default_addr)))
    }
}

fn default_addr() -> SocketAddr {
    ([127, 0, 0, 1], 8080).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENTED: &str = include_str!("../../../deploy/baoan.toml");

    fn read(text: &str) -> Result<Settings, String> {
        Settings::parse(text, "baoan.toml")
    }

    /// The documented file sets nothing as it stands, and everything once uncommented.
    #[test]
    fn every_setting_is_documented() {
        assert_eq!(read(DOCUMENTED).unwrap(), Settings::default());
        let all: String = DOCUMENTED
            .lines()
            .map(|line| match line.strip_prefix("#") {
                Some(set) if set.contains(" = ") && !set.starts_with(' ') => format!("{set}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        // Not with demo.
        let set = read(&all.replace("demo = true", "demo = false")).unwrap();
        let shown = format!("{set:?}");
        assert!(!shown.contains("None"), "not documented: {shown}");
        assert_eq!(Settings::default().over(set.clone()), set);
        assert_eq!(set.clone().over(Settings::default()), set);
        // As documented is as it is without.
        let (options, addr) = Settings::default().options().unwrap();
        assert_eq!(set.addr, Some(addr));
        assert_eq!(set.data, Some(options.data));
        assert_eq!(set.keep_years, Some(options.keep_years));
        assert_eq!(set.keep_free_mb, Some((options.keep_free >> 20) as u32));
    }

    /// R7: each broken file gets its sentence, with the line.
    #[test]
    fn r7_forty_broken_files_each_get_a_sentence() {
        let broken: &[(&str, &str)] = &[
            ("addr", ":1: "),
            ("addr =", ":1: "),
            ("addr = 8080", ":1: "),
            ("addr = \"8080\"", ":1: invalid socket address"),
            ("addr = \"localhost:8080\"", ":1: invalid socket address"),
            ("addr = \"127.0.0.1\"", ":1: invalid socket address"),
            ("addr = \"127.0.0.1:99999\"", ":1: invalid socket address"),
            ("\naddr = \"\"", ":2: invalid socket address"),
            ("adr = \"127.0.0.1:80\"", ":1: unknown field `adr`"),
            ("Addr = \"127.0.0.1:80\"", ":1: unknown field `Addr`"),
            ("listen = 1", ":1: unknown field `listen`"),
            ("# a\n# b\ndemo = \"yes\"", ":3: invalid type: string"),
            ("demo = 1", ":1: invalid type: integer"),
            ("demo = yes", ":1: "),
            ("secure = \"true\"", ":1: invalid type: string"),
            ("secure = True", ":1: "),
            ("demo = true\nsecure = true", "publicly known passwords"),
            ("tls_cert = \"a.pem\"", "belong together"),
            ("tls_key = \"a.pem\"", "belong together"),
            (
                "demo = true\ntls_cert = \"a\"\ntls_key = \"b\"",
                "publicly known passwords",
            ),
            ("data = 7", ":1: invalid type: integer"),
            ("data = [\"a\"]", ":1: invalid type: sequence"),
            ("data = \"a\"\ndata = \"b\"", ":2: duplicate key"),
            ("dist = true", ":1: invalid type: boolean"),
            ("behind_proxy = \"10.0.0.0/8\"", ":1: invalid type: string"),
            ("behind_proxy = [\"10.0.0.0\"]", ":1: "),
            ("behind_proxy = [\"10.0.0.0/40\"]", ":1: "),
            ("behind_proxy = [\"10.0.0.0/8\", 1]", ":1: "),
            ("behind_proxy = [\"10.0.0.0/8\"", ": "),
            ("behind-proxy = []", ":1: unknown field `behind-proxy`"),
            ("messages = \"gateway.example/sms\"", ":1: not an address"),
            ("messages = \"ftp://gateway.example\"", ":1: not an address"),
            ("messages = \"https://\"", ":1: not an address"),
            (
                "messages = \"https://user:secret@host/\"",
                ":1: not an address",
            ),
            ("policies = \"https://a b/\"", ":1: not an address"),
            ("policies = true", ":1: invalid type: boolean"),
            ("address = \"claims.example.com\"", ":1: not an address"),
            (
                "secure = true\naddress = \"http://claims.example.com\"",
                "https://",
            ),
            ("metrics = \"9108\"", ":1: invalid socket address"),
            ("metrics = \"127.0.0.1:8080\"", "the same address"),
            (
                "addr = \"0.0.0.0:1\"\nmetrics = \"0.0.0.0:1\"",
                "the same address",
            ),
            ("keep_years = 9", ": keep_years: from 10 to 100"),
            ("keep_free_mb = -1", ":1: "),
            ("keep_free_mb = 1.5", ":1: invalid type: floating point"),
            ("keep_free_mb = \"1GB\"", ":1: invalid type: string"),
            ("keep_free_mb = 99999999999", ":1: "),
            ("log = \"yaml\"", ":1: unknown variant `yaml`"),
            ("log = \"JSON\"", ":1: unknown variant `JSON`"),
            (
                "[server]\naddr = \"127.0.0.1:80\"",
                ":1: unknown field `server`",
            ),
            ("key = \"a", ":1: "),
            ("scan = { path = \"a\" }", ":1: invalid type: map"),
            ("{ \"addr\": \"127.0.0.1:80\" }", ":1: "),
            ("addr: 127.0.0.1:80", ":1: "),
            ("audit = 'a'\n\n\nanchors = 3", ":4: invalid type: integer"),
        ];
        assert!(broken.len() >= 40);
        for (text, wanted) in broken {
            let sentence = read(text).expect_err(text);
            assert!(
                sentence.starts_with("baoan.toml:") && sentence.contains(wanted),
                "{text:?}: {sentence}"
            );
            assert!(
                !sentence.contains('\n') && !sentence.contains("secret@"),
                "{sentence}"
            );
        }
    }
}
