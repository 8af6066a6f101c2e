//! Accessibility for people who do not see, do not point, or need large print: findings about the
//! open page.

use serde_json::{Value, json};

use crate::{Browser, root};

/// Elements that a keyboard must reach; of a group of radio buttons it reaches one.
const REACHABLE: &str = "
    const reachable = () => {
        const all = [...document.querySelectorAll('a[href],button,input,select,textarea,summary,[tabindex=\"0\"]')];
        const groups = new Set();
        return all.filter((e) => {
            if (e.disabled || e.tabIndex < 0 || !e.checkVisibility({ visibilityProperty: true })) { return false; }
            if (e.type !== 'radio') { return true; }
            const first = !groups.has(e.name);
            groups.add(e.name);
            return first;
        });
    };
    const named = (e) => e.tagName.toLowerCase() + (e.id ? '#' + e.id : '') + ' ' + (e.innerText || e.name || e.value || '').trim().slice(0, 30);
";

impl Browser {
    /// axe's findings, one line each.
    pub async fn axe(&self) -> Vec<String> {
        let source = std::fs::read_to_string(root().join("node_modules/axe-core/axe.min.js"))
            .unwrap_or_else(|e| panic!("axe-core: {e}"));
        if self.run("return typeof axe === 'undefined'").await == Value::Bool(true) {
            self.run(&source).await;
        }
        let found = self
            .run_async(
                "const done = arguments[arguments.length - 1];
                 axe.run(document, { resultTypes: ['violations'] }).then(
                   (r) => done(r.violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.target.join(' ') + ' ' + (n.any[0] || n.all[0] || n.none[0] || {}).message).join(' | '))),
                   (e) => done(['axe failed: ' + e]));",
            )
            .await;
        texts(&found)
    }

    /// axe; horizontal scrolling at 320 pixels (WCAG 1.4.10) and with text at twice the size
    /// (1.4.4).
    pub async fn examine(&self) -> Vec<String> {
        let mut found = self.axe().await;
        let (width, height) = self.size;
        self.resize(320, 640).await;
        found.extend(self.sideways("at 320 px").await);
        self.resize(width, height).await;
        self.run("document.documentElement.style.fontSize = '200%'")
            .await;
        found.extend(self.sideways("at 200 %").await);
        self.run("document.documentElement.style.fontSize = ''")
            .await;
        found
    }

    pub async fn resize(&self, width: u32, height: u32) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 2, "mobile": true });
        self.cdp("Emulation.setDeviceMetricsOverride", size).await;
    }

    async fn sideways(&self, when: &str) -> Vec<String> {
        let widest = "const wide = document.documentElement.scrollWidth; const room = document.documentElement.clientWidth;
            if (wide <= room) { return []; }
            const out = [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > room + 1);
            return [wide + ' px in ' + room + ': ' + out.slice(-1).map((e) => e.outerHTML.slice(0, 120))];";
        texts(&self.run(widest).await)
            .into_iter()
            .map(|line| format!("sideways {when}: {line}"))
            .collect()
    }

    /// Walks the page with the Tab key alone. Reports what it does not reach, or reaches without a
    /// visible focus (WCAG 2.1.1, 2.4.7).
    pub async fn by_keyboard(&self) -> Vec<String> {
        // As if the window were in front.
        self.cdp(
            "Emulation.setFocusEmulationEnabled",
            json!({ "enabled": true }),
        )
        .await;
        self.run(&format!(
            "{REACHABLE} window.left = new Set(reachable()); window.unmarked = []; document.activeElement.blur(); scrollTo(0, 0);"
        ))
        .await;
        let count = self
            .run("return left.size")
            .await
            .as_u64()
            .unwrap_or_default();
        for _ in 0..count * 2 + 4 {
            self.key("Tab", 9, "").await;
            let left = self
                .run(&format!(
                    "{REACHABLE} const e = document.activeElement;
                     const shown = (x) => x && getComputedStyle(x).outlineStyle !== 'none';
                     if (left.has(e) && !shown(e) && !shown(e.closest('label'))) {{ unmarked.push(named(e)); }}
                     left.delete(e);
                     if (e.type === 'radio') {{ for (const x of left) {{ if (x.name === e.name) {{ left.delete(x); }} }} }}
                     return left.size;"
                ))
                .await;
            if left == json!(0) {
                break;
            }
        }
        let lines = format!(
            "{REACHABLE} return [...left].map((e) => 'not reached: ' + named(e)).concat(unmarked.map((e) => 'focus not seen: ' + e))"
        );
        texts(&self.run(&lines).await)
    }

    /// What a screen reader announces: role, name and state of everything on the page, in order;
    /// numbers as `#`.
    pub async fn told(&self) -> String {
        let tree = self.cdp("Accessibility.getFullAXTree", json!({})).await;
        let nodes = tree["nodes"].as_array().cloned().unwrap_or_default();
        let mut text = String::new();
        if let Some(root) = nodes.first() {
            tell(&nodes, root, 0, &mut text);
        }
        text
    }
}

/// Roles that only repeat the name of their container.
const SILENT: [&str; 6] = [
    "StaticText",
    "InlineTextBox",
    "none",
    "generic",
    "LineBreak",
    "ListMarker",
];

fn tell(nodes: &[Value], node: &Value, depth: usize, text: &mut String) {
    let role = node["role"]["value"].as_str().unwrap_or_default();
    let name = node["name"]["value"].as_str().unwrap_or_default();
    let told = node["ignored"] != json!(true)
        && !SILENT.contains(&role)
        // A form without a name is generic (HTML-AAM 1.0); browsers differ by version.
        && !(["paragraph", "form"].contains(&role) && name.is_empty());
    // The browser's own picker in a field of time: its name differs by version.
    let told = told && !name.starts_with("Show local date and time picker");
    if told {
        let state = |name: &str| {
            let properties = node["properties"].as_array()?;
            let value = &properties.iter().find(|p| p["name"] == name)?["value"]["value"];
            (value != &json!(false) && value != &json!("false")).then(|| format!(" {name}"))
        };
        let states: String = [
            "checked", "disabled", "invalid", "required", "expanded", "pressed",
        ]
        .into_iter()
        .filter_map(state)
        .collect();
        let mut plain = String::new();
        for letter in name.chars() {
            match letter.is_ascii_digit() {
                true if plain.ends_with('#') => {}
                true => plain.push('#'),
                false => plain.push(letter),
            }
        }
        // A claim's number has letters, too.
        let words = plain
            .split(' ')
            .map(|word| if word.starts_with("BA#") { "BA#" } else { word });
        plain = words.collect::<Vec<_>>().join(" ");
        text.push_str(&format!("{}{role} {plain:?}{states}\n", "  ".repeat(depth)));
    }
    for id in node["childIds"].as_array().into_iter().flatten() {
        if let Some(child) = nodes.iter().find(|n| n["nodeId"] == *id) {
            tell(nodes, child, depth + usize::from(told), text);
        }
    }
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .map(|v| v.as_str().unwrap_or_default().to_owned())
        .collect()
}
