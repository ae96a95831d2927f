//! An event as it is written in `tests/regressions`: what a hunt prints can be pasted there.

use retrosync::pace::Trigger;

use super::{Event, Mishap};

impl Event {
    /// As an expression, short where those tests have a short word for it.
    pub fn as_rust(&self) -> String {
        let calm = |device: &usize, word: &str| format!("{word}({device})");
        match self {
            Event::Starts { device, save, is_seen: true } => format!("starts({device}, {save})"),
            Event::Starts { device, save, .. } => format!("starts_unseen({device}, {save})"),
            Event::Exits { device, saves: true, truncates: false } => calm(device, "exits"),
            Event::Waits { seconds } => format!("waits({seconds})"),
            Event::Crashes { device, how } => {
                format!("Event::Crashes {{ device: {device}, how: Crash::{how:?} }}")
            }
            Event::Cycle { device, trigger: Trigger::Retry, fault: None, meanwhile: None, mishap } => {
                match mishap {
                    None => calm(device, "syncs"),
                    Some(Mishap::PowerGoes(at)) => format!("syncs_until_power_goes({device}, {at})"),
                    Some(mishap) => cycle(*device, "Retry", "None", "None", &some("Mishap::", mishap)),
                }
            }
            Event::Cycle { device, trigger: Trigger::Full, fault: None, meanwhile: None, mishap: None } => {
                calm(device, "syncs_all")
            }
            Event::Cycle { device, trigger, fault, meanwhile, mishap } => cycle(
                *device,
                &format!("{trigger:?}"),
                &told(fault.map(|(call, fault)| format!("({call}, Fault::{fault:?})"))),
                &told(meanwhile.map(|(call, act, save)| format!("({call}, Act::{act:?}, {save})"))),
                &mishap.as_ref().map_or("None".into(), |mishap| some("Mishap::", mishap)),
            ),
            // The rest say no more than numbers and whether.
            event => format!("Event::{event:?}"),
        }
    }
}

fn cycle(device: usize, trigger: &str, fault: &str, meanwhile: &str, mishap: &str) -> String {
    format!(
        "Event::Cycle {{ device: {device}, trigger: {trigger}, fault: {fault}, meanwhile: {meanwhile}, mishap: {mishap} }}"
    )
}

fn some(of: &str, what: &impl std::fmt::Debug) -> String {
    format!("Some({of}{what:?})")
}

fn told(what: Option<String>) -> String {
    what.map_or("None".into(), |what| format!("Some({what})"))
}
