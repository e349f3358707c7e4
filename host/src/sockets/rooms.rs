//! The table behind the sockets: who is there, and in which rooms.

use super::{Audience, Outlet, Owner, Reachable, SocketId};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Rooms that one socket is in at once.
const ROOMS_MAX: usize = 256;
/// Bytes of a room's name.
const ROOM_BYTES_MAX: usize = 128;

/// Why a socket cannot be put into a room.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RoomError {
    #[error("a room has a name of 1 to {ROOM_BYTES_MAX} bytes, this one has {len}")]
    BadName { len: usize },
    #[error("a socket is in {ROOMS_MAX} rooms at most")]
    TooMany,
}

/// Sockets by their owner.
#[derive(Default)]
pub(super) struct Table {
    groups: HashMap<Owner, Group>,
    of_services: usize,
}

/// Sockets of one owner.
#[derive(Default)]
struct Group {
    members: HashMap<SocketId, Member>,
    rooms: HashMap<Arc<str>, HashSet<SocketId>>,
}

struct Member {
    outlet: Arc<dyn Outlet>,
    rooms: Vec<Arc<str>>,
}

impl Table {
    /// WebSockets of services.
    pub(super) fn of_services(&self) -> usize {
        self.of_services
    }

    pub(super) fn enter(&mut self, owner: Owner, id: SocketId, outlet: Arc<dyn Outlet>) {
        self.of_services += usize::from(is_service(&owner));
        let group = self.groups.entry(owner).or_default();
        group.members.insert(id, Member { outlet, rooms: Vec::new() });
    }

    /// Takes a socket out of everything; gives its outlet, to be dropped by who
    /// does not hold the table.
    pub(super) fn remove(&mut self, owner: &Owner, id: &SocketId) -> Option<Arc<dyn Outlet>> {
        let group = self.groups.get_mut(owner)?;
        let member = group.members.remove(id)?;
        for room in &member.rooms {
            group.empty_of(room, id.as_str());
        }
        if group.members.is_empty() {
            self.groups.remove(owner);
        }
        self.of_services -= usize::from(is_service(owner));
        Some(member.outlet)
    }

    /// The outlets of an audience.
    pub(super) fn outlets(
        &self,
        by: &Reachable,
        to: &Audience,
        except: Option<&str>,
    ) -> Vec<Arc<dyn Outlet>> {
        let is_meant = |id: &SocketId| except != Some(id.as_str());
        let mut outlets = Vec::new();
        for group in self.groups(by) {
            match to {
                Audience::Everyone => {
                    let meant = group.members.iter().filter(|(id, _)| is_meant(id));
                    outlets.extend(meant.map(|(_, member)| member.outlet.clone()));
                }
                Audience::Room(room) => {
                    let inside = group.rooms.get(room.as_str()).into_iter().flatten();
                    let meant = inside.filter(|id| is_meant(id));
                    let members = meant.filter_map(|id| group.members.get(id));
                    outlets.extend(members.map(|member| member.outlet.clone()));
                }
                Audience::Socket(socket) => {
                    let there = group.members.get_key_value(socket.as_str());
                    let meant = there.filter(|(id, _)| is_meant(id));
                    outlets.extend(meant.map(|(_, member)| member.outlet.clone()));
                }
            }
        }
        outlets
    }

    /// The outlets of all WebSockets of services.
    pub(super) fn outlets_of_services(&self) -> Vec<Arc<dyn Outlet>> {
        let of_services = self.groups.iter().filter(|(owner, _)| is_service(owner));
        let members = of_services.flat_map(|(_, group)| group.members.values());
        members.map(|member| member.outlet.clone()).collect()
    }

    /// The outlet of one socket.
    pub(super) fn outlet(&self, by: &Reachable, socket: &str) -> Option<Arc<dyn Outlet>> {
        self.groups(by).find_map(|group| Some(group.members.get(socket)?.outlet.clone()))
    }

    pub(super) fn count(&self, by: &Reachable, of: &Audience) -> usize {
        let count = |group: &Group| match of {
            Audience::Everyone => group.members.len(),
            Audience::Room(room) => group.rooms.get(room.as_str()).map_or(0, HashSet::len),
            Audience::Socket(socket) => usize::from(group.members.contains_key(socket.as_str())),
        };
        self.groups(by).map(count).sum()
    }

    pub(super) fn join(
        &mut self,
        by: &Reachable,
        socket: &str,
        room: &str,
    ) -> Result<bool, RoomError> {
        check(room)?;
        let Some(group) = self.group_of(by, socket) else { return Ok(false) };
        let Group { members, rooms } = group;
        let Some((id, _)) = members.get_key_value(socket) else { return Ok(false) };
        let id = id.clone();
        let Some(member) = members.get_mut(socket) else { return Ok(false) };
        if member.rooms.iter().any(|known| **known == *room) {
            return Ok(true);
        }
        if ROOMS_MAX <= member.rooms.len() {
            return Err(RoomError::TooMany);
        }
        let known = rooms.get_key_value(room).map(|(known, _)| known.clone());
        let room = known.unwrap_or_else(|| room.into());
        member.rooms.push(room.clone());
        rooms.entry(room).or_default().insert(id);
        Ok(true)
    }

    pub(super) fn leave(
        &mut self,
        by: &Reachable,
        socket: &str,
        room: &str,
    ) -> Result<bool, RoomError> {
        check(room)?;
        let Some(group) = self.group_of(by, socket) else { return Ok(false) };
        let Some(member) = group.members.get_mut(socket) else { return Ok(false) };
        let before = member.rooms.len();
        member.rooms.retain(|known| **known != *room);
        let was_there = member.rooms.len() < before;
        group.empty_of(room, socket);
        Ok(was_there)
    }

    /// Those that somebody may send to.
    fn groups(&self, by: &Reachable) -> impl Iterator<Item = &Group> {
        owners(by).into_iter().flatten().filter_map(|owner| self.groups.get(&owner))
    }

    fn group_of(&mut self, by: &Reachable, socket: &str) -> Option<&mut Group> {
        let has_it = |owner: &Owner| {
            self.groups.get(owner).is_some_and(|group| group.members.contains_key(socket))
        };
        let owner = owners(by).into_iter().flatten().find(has_it)?;
        self.groups.get_mut(&owner)
    }
}

impl Group {
    /// Takes a socket off a room, and the room away with the last one.
    fn empty_of(&mut self, room: &str, socket: &str) {
        let Some(inside) = self.rooms.get_mut(room) else { return };
        inside.remove(socket);
        if inside.is_empty() {
            self.rooms.remove(room);
        }
    }
}

fn is_service(owner: &Owner) -> bool {
    matches!(owner, Owner::Service(_))
}

fn owners(by: &Reachable) -> [Option<Owner>; 2] {
    [Some(Owner::Service(by.service.clone())), by.namespace.clone().map(Owner::Namespace)]
}

fn check(room: &str) -> Result<(), RoomError> {
    match room.len() {
        1..=ROOM_BYTES_MAX => Ok(()),
        len => Err(RoomError::BadName { len }),
    }
}
