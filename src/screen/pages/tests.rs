//! The pages through the app as it is, without a card, a daemon or a thread behind it.
#![allow(clippy::unwrap_used)]

mod every_page;
#[path = "../../../tests/screen/looks.rs"]
mod looks;
mod presses;
mod readme;
pub(in crate::screen) mod sample;

use std::io::{PipeReader, Read};
use std::os::fd::AsRawFd;

use super::*;
use crate::choice::Wish;
use crate::discover::Found;
use crate::screen::app::App;
use crate::screen::errands::Errands;
use crate::screen::model::Model;
use crate::screen::view::Turn;

pub(in crate::screen) use every_page::all_views;

/// Presses buttons and tells news, and sees what leaves the screen.
pub(in crate::screen) struct Hand {
    pub(in crate::screen) app: App,
    pub(in crate::screen) errands: PipeReader,
    /// What was ordered, but for looks at the card.
    pub(in crate::screen) orders: Vec<Order>,
    /// Each errand's number and words; of one that is called off, none.
    pub(in crate::screen) done: Vec<(u64, String)>,
}

impl Hand {
    /// The first page of one who knows that.
    pub(in crate::screen) fn new(known: Known, language: &str) -> Hand {
        let (errands, orders) = std::io::pipe().unwrap();
        // SAFETY: plain numbers.
        unsafe { libc::fcntl(errands.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        let with = Box::new(|words: &[&str]| words.iter().map(Into::into).collect());
        let app = App::of(known, language, Model::still(), Errands::into(orders), with);
        Hand { app, errands, orders: Vec::new(), done: Vec::new() }
    }

    /// Opens another page.
    pub(in crate::screen) fn at(mut self, page: Box<dyn Page>) -> Hand {
        self.app.act(Act::Open(page));
        self.collect();
        self
    }

    pub(in crate::screen) fn view(&self) -> View {
        self.app.view()
    }

    pub(in crate::screen) fn press(&mut self, buttons: &[Button]) -> Turn {
        let mut turn = Turn::Same;
        for button in buttons {
            turn = self.app.press(*button);
            self.collect();
        }
        turn
    }

    pub(in crate::screen) fn hear(&mut self, news: News) {
        self.app.hear_one(news);
        self.collect();
    }

    fn collect(&mut self) {
        let ordered = self.app.model.ordered();
        self.orders.extend(ordered.into_iter().filter(|order| !matches!(order, Order::Look)));
        let mut bytes = vec![0; 4096];
        let length = self.errands.read(&mut bytes).unwrap_or(0);
        for line in String::from_utf8_lossy(&bytes[..length]).lines() {
            let mut words = line.split('\0').filter(|word| !word.is_empty());
            let number = words.next().map_or(0, |number| number.parse().unwrap());
            self.done.push((number, words.collect::<Vec<_>>().join(" ")));
        }
    }

    /// The wishes that left the screen, with their numbers.
    pub(in crate::screen) fn wishes(&self) -> Vec<(u64, &Wish)> {
        self.orders
            .iter()
            .filter_map(|order| match order {
                Order::Wish(number, wish) => Some((*number, wish)),
                _ => None,
            })
            .collect()
    }

    pub(in crate::screen) fn last_wish(&self) -> u64 {
        self.wishes().last().map_or(0, |(number, _)| *number)
    }

    pub(in crate::screen) fn last_errand(&self) -> (u64, &str) {
        self.done.last().map_or((0, ""), |(number, words)| (*number, words))
    }

    /// All that can be read.
    pub(in crate::screen) fn text(&self) -> String {
        format!("{:?}", self.view())
    }
}

/// One server that answered for itself.
fn found(address: &str) -> News {
    News::Found(vec![Found { address: address.into(), sender: String::new() }])
}
