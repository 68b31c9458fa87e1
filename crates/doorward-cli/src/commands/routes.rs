//! `doorward routes`: every route and the policy it stands under.
//!
//! Taken from a bridge that is bound and never serves, so what is printed is
//! what the daemon does; ports and instances are left out.

use doorward::bridge::ListenerRow;
use doorward::{Bridge, CompanionSettings};
use serde::Serialize;
use serde_json::Value;

use crate::args::Routes;
use crate::failure::{Code, Failure};
use crate::term::{Paint, say, say_text, table};

#[derive(Serialize)]
struct Page {
    listeners: Vec<ListenerRow>,
}

pub(crate) async fn run(routes: Routes) -> Result<(), Failure> {
    if routes.openapi {
        return say_text(&doorward::companion_core::drives::openapi());
    }
    let folder = tempfile::Builder::new()
        .prefix("doorward-")
        .tempdir()
        .map_err(Failure::start)?;
    let bridge = Bridge::builder()
        .native_socket(folder.path().join("socket"))
        .companion(CompanionSettings {
            ports: vec![0],
            // Off unless it is wanted; listed all the same.
            dangerous_compat: Some(0),
            ..CompanionSettings::default()
        })
        .bind()
        .await?;
    let page = Page {
        listeners: bridge.table(),
    };
    if routes.json {
        let text = serde_json::to_string_pretty(&page);
        say(&text.map_err(std::io::Error::from)?)
    } else if routes.markdown {
        say_text(&markdown(&page)?)
    } else {
        say_text(&text(&page)?)
    }
}

fn text(page: &Page) -> Result<String, Failure> {
    let mut rows = Vec::new();
    for listener in &page.listeners {
        for surface in &listener.surfaces {
            for route in &surface.routes {
                rows.push(vec![
                    listener.name.to_owned(),
                    route.method.clone(),
                    route.path.clone(),
                    surface.name.to_owned(),
                    word(&surface.caller)?,
                ]);
            }
        }
    }
    let headings = ["LISTENER", "METHOD", "PATH", "SURFACE", "CALLER PROVES"];
    Ok(table(&headings, &rows, Paint::stdout()))
}

fn markdown(page: &Page) -> Result<String, Failure> {
    let mut text = "# Doors\n\nEvery listener, every surface, who may come in, and every route. Made by `doorward routes --markdown`.\n".to_owned();
    for listener in &page.listeners {
        text.push_str(&format!("\n## {}\n", listener.name));
        for surface in &listener.surfaces {
            text.push_str(&format!("\n### {} `{}`\n\n", surface.name, surface.prefix));
            text.push_str(&format!("Caller: {}.\n\n", word(&surface.caller)?));
            for sentence in &surface.words {
                text.push_str(&format!("- {sentence}\n"));
            }
            text.push_str("\n| method | path |\n|---|---|\n");
            for route in &surface.routes {
                text.push_str(&format!("| {} | `{}` |\n", route.method, route.path));
            }
        }
    }
    Ok(text)
}

/// The one word that an enum is in JSON.
fn word(value: &impl Serialize) -> Result<String, Failure> {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => Ok(word),
        _ => Err(Failure::new(
            Code::Failed,
            "internal",
            "the table cannot be shown",
        )),
    }
}
