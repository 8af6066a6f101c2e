//! Staff sign in at a real provider (npm oidc-provider).

use std::process::{Command, Stdio};

use baoan_tests::{Process, Server, Setting, free_address, python, root};

/// A person with a browser: follows redirects, fills in the provider's two forms.
pub const PERSON: &str = r#"
import html, http.cookiejar, re, sys, urllib.error, urllib.parse, urllib.request
base, who = sys.argv[1:3]
jar = http.cookiejar.CookieJar()
browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
def at(answer):
    return answer.geturl(), answer.read().decode()
def filled(url, text):
    action = urllib.parse.urljoin(url, html.unescape(re.search(r'<form[^>]*action="([^"]+)"', text)[1]))
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', text))
    if 'name="login"' in text:
        fields |= {"login": who, "password": "x"}
    return browser.open(action, urllib.parse.urlencode(fields).encode())
text = at(browser.open(base + "/staff/login"))[1]
assert 'href="/staff/sso"' in text
url, text = at(browser.open(base + "/staff/sso"))
try:
    for _ in range(2):
        assert not url.startswith(base), url
        url, text = at(filled(url, text))
    assert url.startswith(base + "/staff/sso/back?code="), url
    print(200)
except urllib.error.HTTPError as error:
    url = error.geturl()
    print(error.code)
text = at(browser.open(base + "/staff"))[1]
print("员工登录" if "员工登录" in text else text[:4000])
# The same way back once more, and one that nobody began, open nothing.
for address in [url, base + "/staff/sso/back?code=x&state=y", base + "/staff/sso/back"]:
    try:
        urllib.request.urlopen(address)
        print("opened", address)
    except urllib.error.HTTPError as error:
        assert error.code == 401, error.code
"#;

/// Staff with a desk at the insurer's own sign-in get in, at that desk and under their name; staff
/// without one, a stale way back and an unknown one do not.
#[test]
fn staff_sign_in_at_the_insurers_provider() {
    let folder = tempfile::tempdir().unwrap();
    let free = free_address();
    let port = free.rsplit(':').next().unwrap();
    let (config, secret) = (
        folder.path().join("baoan.toml"),
        folder.path().join("secret"),
    );
    std::fs::write(&secret, "a-secret-of-the-test\n").unwrap();
    let text = format!(
        "sso = {{ issuer = \"http://127.0.0.1:{port}\", client_id = \"baoan\", secret = {secret:?}, claim = \"groups\", desks = {{ claims-lead = \"supervisor\" }} }}\n"
    );
    std::fs::write(&config, text).unwrap();
    let server = Server::with(Setting {
        config: Some(config),
        ..Setting::default()
    });
    // The provider is away: said, and the way with a password stays.
    assert_eq!(server.caller().get("/staff/sso").status, 502);
    let mut provider = Command::new("node");
    provider
        .arg(root().join("tests/sso/provider.mjs"))
        .args([port, &server.url("/staff/sso/back")])
        .stderr(Stdio::null());
    let _provider = Process::listening(&mut provider);
    let person = |who: &str| {
        let output = python()
            .args(["-c", PERSON, &server.base, who])
            .env("PYTHONIOENCODING", "utf-8")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let li = person("li");
    assert!(
        li.starts_with("200\n") && li.contains("李 工号 2001 · 主管"),
        "{li}"
    );
    let wang = person("wang");
    assert_eq!(wang, "401\n员工登录\n");
    // Closed here, the provider's word opens it no more.
    let close = [("name", "sso:li"), ("do", "close")];
    let mut boss = baoan_tests::Caller::staff(&server, "supervisor");
    assert_eq!(boss.form("/staff/accounts", &close).status, 303);
    assert_eq!(person("li"), "401\n员工登录\n");
    let audit = std::fs::read_to_string(server.data().join("audit.log")).unwrap();
    assert!(
        audit.contains(r#""by":"sso""#) && audit.contains("sso:li"),
        "{audit}"
    );
    assert!(!audit.contains("工号"));
    assert_eq!(
        server.count("SELECT count(*) FROM staff WHERE name = 'sso:li' AND desk = 'supervisor' AND password_hash = ''"),
        1
    );
}
