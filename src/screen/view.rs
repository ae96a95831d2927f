//! PURE. What is to be seen, without a pixel, and what a person may press: the seam between pages and renderers.
//!
//! A page answers a [`View`]; `picture.rs` and `text.rs` draw the same view as pixels and as letters. A renderer wraps and
//! elides texts, scrolls lists so that the focus stays in sight, and decides nothing. A page knows no size, colour or font.

/// One whole screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The top line at the left: where we are.
    pub title: String,
    /// The top line at the right: the state in a word or two (`offline`), often empty.
    pub badge: String,
    /// From the top to the bottom. At most one [`Block::List`], which takes the room that the others leave.
    pub blocks: Vec<Block>,
    /// The bottom line: what each button does here. Accept comes first.
    pub hints: Vec<(Button, String)>,
}

/// A part of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// One large line: what a person should see at a glance.
    Heading {
        /// Its colour, and the sign before it.
        tone: Tone,
        /// The line; wrapped onto two if it must be.
        text: String,
    },
    /// Small text, wrapped.
    Text {
        /// Its colour.
        tone: Tone,
        /// One paragraph; a line feed begins the next line.
        text: String,
    },
    /// What is typed elsewhere, as large as fits (`WXRT-4KQM`).
    Code(String),
    /// A QR code of this address; left out where it would not be readable.
    Qr(String),
    /// How far something is.
    Bar {
        /// So much of `total` is done.
        done: u64,
        /// All of it; 0: nobody knows how much.
        total: u64,
        /// The line above it.
        label: String,
    },
    /// Lines of which one has the focus.
    List {
        /// The lines; never empty.
        rows: Vec<Row>,
        /// Which has the focus.
        focus: usize,
    },
    /// Things to choose between, side by side where there is room, else one below the other.
    Columns {
        /// What stands in each.
        sides: Vec<Side>,
        /// Which has the focus.
        focus: usize,
    },
    /// Keys to type with.
    Keyboard {
        /// The keys, row by row; a key is a letter or a short word.
        rows: Vec<Vec<String>>,
        /// Row and column of the focus.
        at: (usize, usize),
        /// What was typed.
        typed: String,
    },
}

/// A line of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// At the left; elided at its end.
    pub label: String,
    /// At the right in a quieter colour, elided after the label is; often empty.
    pub detail: String,
    /// The sign before the label.
    pub mark: Mark,
}

/// A sign of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// No room is kept for a sign.
    #[default]
    None,
    /// A switch that is on.
    On,
    /// A switch that is off.
    Off,
    /// All is well with it.
    Good,
    /// It waits for something.
    Waits,
    /// A person should look at it.
    Look,
    /// Accept leads to another page.
    More,
}

/// One of the things to choose between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// What it is.
    pub title: String,
    /// Names and values (`Size`, `8 KB`).
    pub facts: Vec<(String, String)>,
    /// The word that says that we would take it; of the others none.
    pub suggested: Option<String>,
}

/// What a text means; renderers choose the colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    #[default]
    Plain,
    /// Less than the rest.
    Quiet,
    /// All is well.
    Good,
    /// Look at it when you like.
    Look,
    /// It does not work.
    Bad,
}

/// What a person pressed, by meaning; `buttons.rs` knows which key of which device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Button {
    /// Up; repeats while held, as the other directions and the page buttons.
    Up,
    /// Down.
    Down,
    /// Left.
    Left,
    /// Right.
    Right,
    /// Do it (A, or B where the firmware has it so).
    Accept,
    /// Back, and out of the first page.
    Back,
    /// Start: settings.
    Menu,
    /// The third button (X): what the hint says.
    Extra,
    /// The fourth button (Y): what the hint says.
    Other,
    /// L: a page up, or the letter before.
    PageUp,
    /// R: a page down, or the next letter.
    PageDown,
    /// A letter of a real keyboard, only where the view has [`Block::Keyboard`].
    Letter(char),
    /// Backspace of a real keyboard, likewise.
    Erase,
}

/// What becomes of the screen after a button or after news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// What is seen is still right.
    Same,
    /// Ask for the view again.
    Draw,
    /// Learn the buttons of the pad anew.
    Learn,
    /// The person is done: restore the console and end.
    End,
}
