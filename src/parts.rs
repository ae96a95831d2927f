//! The composition root: from the configuration to the profile, the roots, the card's own state and the remote.
//!
//! The only place that names the real file system. [`Ground`] is where we stand: which device, which folders; it opens
//! nothing. [`Ground::look`] reads the card beside a running daemon and cannot write. [`Ground::take`] takes the card
//! for this process.

pub mod open;
mod still;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use retrosync_protocol::Digest;

use crate::attic::Attic;
use crate::config::Config;
use crate::cycle;
use crate::error::{Error, Kind, Problem, Result};
use crate::facts;
use crate::identity::{self, Identity, Opened};
use crate::journal::Journal;
use crate::naming::{self, Games, Naming, SaveFolder};
use crate::nearest::nearest;
use crate::profile::{self, Profile, Site};
use crate::remote::{self, Remote, RemoteSettings};
use crate::root::{Root, RootId, STATE_FOLDER};
use crate::snapshot::RootState;
use crate::volume::{Beneath, Volume};

/// Who we say we are: `retrosync/0.1.0 arm`.
pub fn client() -> String {
    format!("retrosync/{} {}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH)
}

/// Which device this is and where its folders are. Nothing is opened yet.
pub struct Ground {
    /// What the user said.
    pub config: Config,
    /// The device.
    pub profile: Profile,
    /// Why it is this one, for people.
    pub reason: String,
    /// Its folders here.
    pub site: Site,
    /// What was odd on the way.
    pub problems: Vec<Problem>,
    volume: Arc<dyn Volume>,
}

impl Ground {
    /// Finds out.
    ///
    /// # Errors
    /// `Misused` when no profile fits or the one that was named does not exist, `Busy` when its card is not there.
    pub fn find(config: Config) -> Result<Ground> {
        let machine = Path::new("/");
        if let Some(folder) = config.profiles.as_ref().filter(|folder| !folder.is_dir()) {
            let doing = format!("cannot read the device profiles in `{}`", folder.display());
            return Err(Error::new(Kind::Misused, doing, "there is no such folder")
                .help("`profiles` names a folder of TOML files; without it the built-in ones count"));
        }
        let (profiles, mut problems) = facts::profiles(&profiles_folder(&config));
        problems.extend(config.problems.iter().cloned());
        // Saves that no table knows are of a family of firmwares.
        let is_family = |name: &str| {
            profiles.iter().any(|profile| profile.family.as_ref().unwrap_or(&profile.name) == name)
        };
        problems.extend(
            config.misspelled(&|name| naming::is_system(name) || is_family(name), &naming::nearest_system),
        );
        let (profile, reason) = match &config.profile {
            Some(name) => (named(name, &profiles)?, "you named it".to_owned()),
            None => {
                let facts = match &config.root {
                    Some(card) => facts::gather_card(card, &profiles),
                    None => facts::gather(machine, &profiles),
                };
                let (found, marks) = profile::detect(&facts, &profiles)
                    .ok_or_else(|| unknown_device(&profiles, config.root.as_deref()))?;
                (found, format!("its marks were found: {marks}"))
            }
        };
        let mut profile = profile.clone();
        profile.put_right(&config.overrides);
        let site = facts::locate(&profile, machine, config.root.as_deref())?;
        // Those are the player's to choose, links and all; nothing below them leads anywhere else.
        let folders = Naming::new(&profile, &site, Games::default()).folders().into_iter();
        let folders = folders
            .filter_map(|SaveFolder { place, .. }| Some(place.path.under(site.roots.get(place.root)?)));
        let starts = site.roots.iter().chain(&site.games).cloned().chain(folders).collect();
        let volume = Arc::new(Beneath::new(starts));
        Ok(Ground { config, profile, reason, site, problems, volume })
    }

    /// The card's file system: what lies below the roots.
    pub fn volume(&self) -> Arc<dyn Volume> {
        Arc::clone(&self.volume)
    }

    /// The card's folder: root 0.
    ///
    /// # Errors
    /// `Misused` when the profile has no root here.
    pub fn primary(&self) -> Result<&Path> {
        self.site.roots.first().map(PathBuf::as_path).ok_or_else(|| {
            Error::new(
                Kind::Misused,
                "cannot find the card",
                format!("`{}` has no folder here", self.profile.name),
            )
            .help("name it with `--root DIR`")
        })
    }

    /// The names of the saves on this device, from the games on its card; and what was odd.
    pub fn naming(&self) -> (Naming, Vec<Problem>) {
        let mut naming = Naming::new(&self.profile, &self.site, Games::default());
        let (games, problems) = facts::games_again(&*self.volume, &self.profile, &self.site, &naming);
        naming.learn(games);
        (naming, problems)
    }

    /// What people call this device: what the user said, else the firmware and the host.
    pub fn device_name(&self) -> String {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        // `OnionOS (Miyoo Mini, …)`: what stands before the list of devices is enough.
        let firmware = self.profile.title.split(" (").next().unwrap_or_default();
        self.config.name.clone().unwrap_or_else(|| match host.trim() {
            "" | "localhost" | "(none)" => firmware.to_owned(),
            host => format!("{firmware} ({host})").chars().take(60).collect(),
        })
    }

    /// Where the remote is and who asks.
    ///
    /// # Errors
    /// `Unpaired` when nobody said where.
    pub fn remote_settings(&self, identity: &Identity) -> Result<RemoteSettings> {
        let kept = &identity.facts;
        let begun = kept.begun.as_ref().map(|begun| begun.server.clone());
        let server = self.config.server.clone().or(kept.server.clone()).or(begun).ok_or_else(|| {
            Error::new(Kind::Unpaired, "cannot reach the server", "this device does not know its address")
                .help("run `retrosync pair https://your.server`, or put `server = …` in the configuration")
        })?;
        let name = if kept.device_name.is_empty() { self.device_name() } else { kept.device_name.clone() };
        // A token, and how its server is trusted, are for the server that gave it and for no other.
        let paired = Some(kept).filter(|kept| kept.server.as_ref() == Some(&server));
        let token = paired.and_then(|kept| kept.token.clone());
        let ca_file = paired.and_then(|kept| kept.ca_file.clone());
        let plain_http = paired.is_some_and(|kept| kept.plain_http);
        let pin = self.config.pin.as_ref().or(paired.and_then(|kept| kept.pins.last()));
        Ok(RemoteSettings {
            server,
            token: self.config.token.clone().or(token),
            device_name: name,
            state_dir: self.primary().ok().map(|dir| dir.join(STATE_FOLDER)),
            writer: Some(identity.writer().clone()),
            plain_http: self.config.plain_http.unwrap_or(plain_http),
            ca_file: self.config.ca_file.clone().or(ca_file),
            pinned_key: pin.and_then(|pin| pin.parse::<Digest>().ok()),
            server_time_unix_s: kept.server_time_unix_s,
            client: client(),
        })
    }

    /// A connection of its own to the remote.
    ///
    /// # Errors
    /// `Unpaired` without address or token; else as [`remote::open`].
    pub fn remote(&self, identity: &Identity) -> Result<Box<dyn Remote>> {
        remote::open(&self.paired(identity)?)
    }

    /// The settings of a device that is paired.
    ///
    /// # Errors
    /// `Unpaired` without address or token.
    pub fn paired(&self, identity: &Identity) -> Result<RemoteSettings> {
        let settings = self.remote_settings(identity)?;
        if settings.token.is_none() && !settings.server.starts_with("folder:") {
            return Err(Error::new(Kind::Unpaired, "cannot ask the server", "this device is not paired")
                .help(format!("run `retrosync pair {}`", settings.server)));
        }
        Ok(settings)
    }

    /// Reads what the card knows, beside whoever writes it. Nothing that is done with the answer reaches the card.
    ///
    /// # Errors
    /// When the card is not there, was never paired or cannot be read.
    pub fn look(&self) -> Result<Looked> {
        let volume: Arc<dyn Volume> = Arc::new(still::Still(self.volume()));
        let mut problems = Vec::new();
        let primary = Root::open(Arc::clone(&volume), self.primary()?)?;
        let (identity, opened) =
            Identity::open(Arc::clone(&volume), &primary.state_dir(), &identity::hardware(Path::new("/")))?;
        let (journal, odd) = Journal::open(Arc::clone(&volume), &primary.state_dir())?;
        problems.extend(odd);
        let (mut roots, mut attics) = (Vec::new(), Vec::new());
        let paused = cycle::paused(&*self.volume, &self.profile, self.primary()?);
        for dir in &self.site.roots {
            let state = self.root_state(dir, &identity);
            attics.push(match &state {
                RootState::Online => match Attic::open(Arc::clone(&volume), dir) {
                    Ok((attic, odd)) => {
                        problems.extend(odd);
                        Some(attic)
                    }
                    Err(error) => {
                        problems.push(error.into());
                        None
                    }
                },
                RootState::Offline(_) => None,
            });
            roots.push(paused.clone().map_or(state, RootState::Offline));
        }
        Ok(Looked { identity, opened, journal, roots, attics, problems })
    }

    /// The marker of the card.
    ///
    /// # Errors
    /// As [`Root::open`].
    pub fn mark_of_primary(&self) -> Result<RootId> {
        Root::open(Arc::clone(&self.volume), self.primary()?).map(|root| root.id)
    }

    /// The identity as it is on the card now, without taking the card.
    ///
    /// # Errors
    /// When the card is not there or cannot be read.
    pub fn identity_as_it_is(&self) -> Result<Identity> {
        let volume: Arc<dyn Volume> = Arc::new(still::Still(self.volume()));
        let state_dir = self.primary()?.join(STATE_FOLDER);
        Ok(Identity::open(volume, &state_dir, &identity::hardware(Path::new("/")))?.0)
    }

    /// Does another process have the card? A shared lock is tried without waiting and given back at once.
    pub fn is_taken(&self) -> bool {
        let lock = self.primary().ok().and_then(|dir| File::open(dir.join(STATE_FOLDER).join("lock")).ok());
        lock.is_some_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Is that folder the root that pairing saw?
    pub fn root_state(&self, dir: &Path, identity: &Identity) -> RootState {
        match identity.facts.roots.get(dir) {
            Some(id) => Root::recorded(Arc::clone(&self.volume), dir, id.clone()).state(),
            None => match Root::open(Arc::clone(&self.volume), dir) {
                Ok(root) => root.state(),
                Err(error) => RootState::Offline(error.cause),
            },
        }
    }
}

/// The card as it is now, for commands that only look.
pub struct Looked {
    /// Who this device is.
    pub identity: Identity,
    /// What opening it found.
    pub opened: Opened,
    /// What both sides last agreed on.
    pub journal: Journal,
    /// Each root's state, by number.
    pub roots: Vec<RootState>,
    /// Each root's attic, by number; none where it is offline.
    pub attics: Vec<Option<Attic>>,
    /// What was odd.
    pub problems: Vec<Problem>,
}

fn profiles_folder(config: &Config) -> PathBuf {
    config.profiles.clone().unwrap_or_else(|| {
        std::env::current_exe().map(|exe| exe.with_file_name("profiles")).unwrap_or_default()
    })
}

fn named<'a>(name: &str, profiles: &'a [Profile]) -> Result<&'a Profile> {
    profiles.iter().find(|profile| profile.name == name).ok_or_else(|| {
        let names = || profiles.iter().map(|profile| profile.name.as_str());
        let error = Error::new(
            Kind::Misused,
            format!("cannot use profile `{name}`"),
            "there is no profile of that name",
        );
        match nearest(name, names()) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(format!("the profiles are {}", listed(names()))),
        }
    })
}

fn unknown_device(profiles: &[Profile], card: Option<&Path>) -> Error {
    let names = listed(profiles.iter().map(|profile| profile.name.as_str()));
    if let Some(card) = card {
        let card_name = card.display();
        if !card.is_dir() {
            return facts::no_card(card);
        }
        return Error::new(
            Kind::Misused,
            format!("cannot tell which device the card `{card_name}` is of"),
            "the marks of no profile were found on it",
        )
        .help(format!("is it mounted? then name its profile with `--profile NAME`: {names}"));
    }
    Error::new(Kind::Misused, "cannot tell which device this is", "the marks of no profile were found").help(
        format!("name it with `--profile NAME`, and its card with `--root DIR`; the profiles are {names}"),
    )
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
