//! The pages and what they know, behind the four verbs that the loop needs: `view`, `press`, `news`, `hear`.
//!
//! Never draws, never blocks: whatever takes time is done by a thread, which writes a byte into a pipe when it knows more.

use std::io::{PipeReader, PipeWriter, Read};
use std::os::fd::{AsFd, BorrowedFd};

use crate::error::{Error, Result};
use crate::screen::view::{Block, Button, Row, Tone, Turn, View};

/// What is on the screen.
pub struct App {
    news: PipeReader,
    _tell: PipeWriter,
    focus: usize,
}

impl App {
    /// The first page.
    ///
    /// # Errors
    /// When there is not even a pipe.
    pub fn open() -> Result<App> {
        let (news, tell) = std::io::pipe().map_err(|e| Error::io("cannot open the screen", &e))?;
        Ok(App { news, _tell: tell, focus: 0 })
    }

    /// What is to be seen now.
    pub fn view(&self) -> View {
        let row =
            |label: &str, detail: &str| Row { label: label.into(), detail: detail.into(), ..Row::default() };
        View {
            title: "RetroSync".into(),
            badge: String::new(),
            blocks: vec![
                Block::Heading { tone: Tone::Good, text: "All 214 saves are safe".into() },
                Block::Text { tone: Tone::Quiet, text: "Last sync 3 minutes ago".into() },
                Block::List {
                    rows: vec![row("Saves", "214"), row("Settings", ""), row("Problems", "0")],
                    focus: self.focus,
                },
            ],
            hints: vec![(Button::Accept, "Open".into()), (Button::Back, "Close".into())],
        }
    }

    /// A button was pressed, or is held and repeats.
    pub fn press(&mut self, button: Button) -> Turn {
        match button {
            Button::Back => return Turn::End,
            Button::Up => self.focus = self.focus.saturating_sub(1),
            Button::Down => self.focus = (self.focus + 1).min(2),
            _ => return Turn::Same,
        }
        Turn::Draw
    }

    /// Readable when [`App::hear`] should be called: poll it beside the buttons, without a timeout.
    pub fn news(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }

    /// Takes what became known meanwhile; call it only when [`App::news`] is readable.
    pub fn hear(&mut self) -> Turn {
        let _ = self.news.read(&mut [0; 64]);
        Turn::Draw
    }
}
