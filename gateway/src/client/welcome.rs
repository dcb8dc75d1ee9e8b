//! A connection that was just accepted: it gets a place, or is turned away.

use std::{net::SocketAddr, rc::Rc};

use tokio::{net::TcpStream, task::spawn_local};

use super::client_connection::{self, Clients};
use crate::problems;

pub(crate) fn welcome(clients: &Rc<Clients>, stream: TcpStream, peer: SocketAddr) {
    let places = &clients.places;
    if places.are_free() || places.make_room() {
        return admit(clients, stream, peer);
    }
    let clients = clients.clone();
    spawn_local(async move {
        let places = &clients.places;
        // The first try came before the tasks of the newest connections had begun. And a connection may have ended while the
        // other workers were asked.
        if places.make_room() || places.ask_others().await || places.are_free() {
            return admit(&clients, stream, peer);
        }
        turn_away(&clients, &stream);
    });
}

fn admit(clients: &Rc<Clients>, stream: TcpStream, peer: SocketAddr) {
    // Before its task begins: the worker may accept many connections before it polls the first task.
    let place = clients.places.take();
    // Best effort: without it, pieces of an answer may wait for acknowledgements.
    let _ = stream.set_nodelay(true);
    spawn_local(client_connection::serve(clients.clone(), place, stream, peer));
}

/// Answers 503 to a connection that is one too many, at no further cost.
fn turn_away(clients: &Clients, stream: &TcpStream) {
    let problem = problems::no_room();
    clients.context.refused(problem.status);
    // Best effort: a client that does not read it sees a closed connection, which says as much.
    let _ = stream.try_read(&mut [0; 4096]);
    let _ = stream.try_write(&problems::raw(&problem));
}
