//! What keys do.

use super::known::{FIELDS, Known, View};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// What comes after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Go,
    End,
}

/// Lines that a page has, roughly; screens differ.
const PAGE: usize = 10;

impl Known {
    pub(super) fn press(&mut self, key: KeyEvent) -> Next {
        if key.kind == KeyEventKind::Release {
            return Next::Go;
        }
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        if is_control && matches!(key.code, KeyCode::Char('c' | 'd')) {
            return Next::End;
        }
        match self.view {
            View::List => return self.press_in_list(key.code),
            View::Filtering => self.press_in_filter(key.code),
            View::Detail => return self.press_in_detail(key.code),
        }
        Next::Go
    }

    fn press_in_list(&mut self, key: KeyCode) -> Next {
        let place = self.cursor().map(|(place, _)| place);
        match key {
            KeyCode::Char('q') => return Next::End,
            KeyCode::Esc if self.filter.is_empty() => return Next::End,
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Char('/') => self.view = View::Filtering,
            KeyCode::Char('s') | KeyCode::Right => self.sort_by_next(1),
            KeyCode::Char('S') | KeyCode::Left => self.sort_by_next(FIELDS.len() - 1),
            KeyCode::Char('r') => self.order.is_reversed = !self.order.is_reversed,
            KeyCode::Down | KeyCode::Char('j') => self.choose(place.map_or(0, |place| place + 1)),
            KeyCode::Up | KeyCode::Char('k') => self.choose(place.unwrap_or(0).saturating_sub(1)),
            KeyCode::PageDown => self.choose(place.unwrap_or(0) + PAGE),
            KeyCode::PageUp => self.choose(place.unwrap_or(0).saturating_sub(PAGE)),
            KeyCode::Home => self.choose(0),
            KeyCode::End => self.choose(usize::MAX),
            KeyCode::Enter => {
                if place.is_none() {
                    self.choose(0);
                }
                if self.chosen.is_some() {
                    (self.view, self.detail, self.scrolled) = (View::Detail, None, 0);
                }
            }
            _ => (),
        }
        Next::Go
    }

    fn sort_by_next(&mut self, steps: usize) {
        let at = FIELDS.iter().position(|field| *field == self.order.by).unwrap_or_default();
        if let Some(field) = FIELDS.get((at + steps) % FIELDS.len()) {
            self.order.by = *field;
            self.order.is_reversed = false;
        }
    }

    fn press_in_filter(&mut self, key: KeyCode) {
        match key {
            KeyCode::Enter => self.view = View::List,
            KeyCode::Esc => {
                self.filter.clear();
                self.view = View::List;
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(letter) => self.filter.push(letter),
            _ => (),
        }
    }

    fn press_in_detail(&mut self, key: KeyCode) -> Next {
        match key {
            KeyCode::Char('q') => return Next::End,
            KeyCode::Esc | KeyCode::Enter | KeyCode::Backspace => self.view = View::List,
            KeyCode::Down | KeyCode::Char('j') => self.scrolled = self.scrolled.saturating_add(1),
            KeyCode::Up | KeyCode::Char('k') => self.scrolled = self.scrolled.saturating_sub(1),
            KeyCode::Home => self.scrolled = 0,
            _ => (),
        }
        Next::Go
    }
}

#[cfg(test)]
mod tests {
    use super::super::known::Field;
    use super::super::known::tests::known;
    use super::*;

    fn press(known: &mut Known, keys: &[KeyCode]) -> Next {
        let press = |key: &KeyCode| known.press(KeyEvent::new(*key, KeyModifiers::NONE));
        keys.iter().map(press).last().unwrap()
    }

    #[test]
    fn a_filter_is_typed_and_given_up() {
        let mut known = known();
        let typed = ['/', 'c', 'q', 'x'].map(KeyCode::Char);
        assert_eq!(press(&mut known, &typed), Next::Go);
        press(&mut known, &[KeyCode::Backspace, KeyCode::Backspace, KeyCode::Enter]);
        assert_eq!((known.filter.as_str(), known.view), ("c", View::List));
        assert_eq!(press(&mut known, &[KeyCode::Esc]), Next::Go);
        assert_eq!(known.filter, "");
        assert_eq!(press(&mut known, &[KeyCode::Esc]), Next::End);
    }

    #[test]
    fn a_service_is_chosen_and_looked_at() {
        let mut known = known();
        press(&mut known, &[KeyCode::Down, KeyCode::Down, KeyCode::Enter]);
        assert_eq!(known.view, View::Detail);
        assert_eq!(known.wants().as_deref(), Some("/admin/v1/services/calc?version=1.0.0"));
        press(&mut known, &[KeyCode::Esc]);
        assert_eq!((known.view, known.wants()), (View::List, None));
    }

    #[test]
    fn sorting_goes_round_and_ctrl_c_ends() {
        let mut known = known();
        press(&mut known, &[KeyCode::Char('s'), KeyCode::Char('r')]);
        assert_eq!((known.order.by, known.order.is_reversed), (Field::State, true));
        press(&mut known, &[KeyCode::Char('S'), KeyCode::Char('S')]);
        assert_eq!((known.order.by, known.order.is_reversed), (Field::At, false));
        known.view = View::Filtering;
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(known.press(control_c), Next::End);
    }
}
