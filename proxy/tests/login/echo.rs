//! The smallest server that our half of the login makes: it answers OK to every command but COM_QUIT.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pointsman_protocol::Capabilities;
use pointsman_protocol::auth::{AccountSecret, Password, Plugin};
use pointsman_proxy::login::client::{
    ChangeUserContext, ClientLoginSettings, LoginEnd, LoginShared, accept, change_user,
};
use pointsman_proxy::login::{AccountSpec, Accounts, Peer, RsaKeySource};
use pointsman_proxy::net::tls::{Identity, ServerTls, ServerTlsFiles};
use pointsman_proxy::net::{Packets, Socket};
use pointsman_proxy::timers::Timers;
use tokio::net::TcpListener;

use super::certificates::certificates;

const COM_QUIT: u8 = 1;
const COM_CHANGE_USER: u8 = 0x11;
const OK: [u8; 7] = [0, 0, 0, 2, 0, 0, 0];

pub fn account(name: &str, secrets: Vec<AccountSecret>) -> AccountSpec {
    AccountSpec { name: name.into(), secrets, ..AccountSpec::default() }
}

fn accounts() -> Accounts {
    let hash = |text: &str| AccountSecret::from_hash(text).unwrap();
    Accounts::new(
        vec![
            account("clear", vec![AccountSecret::from_password(Password::new("password"))]),
            account("native", vec![hash("*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19")]),
            account("sha2", vec![hash(SHA2_OF_PASSWORD)]),
            account("empty", vec![AccountSecret::from_password(Password::default())]),
            AccountSpec {
                require_tls: true,
                ..account("tls", vec![AccountSecret::from_password(Password::new("password"))])
            },
        ],
        None,
    )
}

pub struct Echo {
    pub port: u16,
    pub shared: Arc<LoginShared>,
}

impl Echo {
    /// Serves until the test's runtime ends.
    pub async fn start(plugin: Plugin, tls: bool) -> Self {
        let files = certificates();
        let identity = Identity { certificate: files.named.clone(), key: files.key.clone() };
        let tls = tls.then(|| Arc::new(ServerTls::load(&ServerTlsFiles { identity, client_ca: None }).unwrap()));
        let shared = Arc::new(LoginShared::new(Arc::new(accounts()), tls, RsaKeySource::generated(), Timers::here()));
        let settings = Arc::new(ClientLoginSettings {
            server_version: "8.0.99-pointsman".into(),
            capabilities: Capabilities::from_bits_retain(0xffff_ffff)
                - Capabilities::SSL
                - Capabilities::MULTI_FACTOR_AUTH
                - Capabilities::QUERY_ATTRIBUTES
                - Capabilities::OPTIONAL_RESULTSET_METADATA,
            auth_plugin: plugin,
            charset: 45,
            status: 2,
            deadline: Duration::from_secs(10),
            require_tls: false,
            balancers: vec![],
            names_loopback: true,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let inner = Arc::clone(&shared);
        tokio::spawn(async move {
            loop {
                let (tcp, from) = listener.accept().await.unwrap();
                let (settings, shared) = (Arc::clone(&settings), Arc::clone(&inner));
                tokio::spawn(async move { serve(Socket::from(tcp), from, &settings, &shared).await });
            }
        });
        Self { port, shared }
    }
}

/// `password`, made by MySQL 9: CREATE USER ... IDENTIFIED BY 'password', authentication_string in hexadecimal.
pub const SHA2_OF_PASSWORD: &str = "0x2441243030412432416E3A1A4E1A6279216E4C7F5F671E060D292F6D462E4B34656E36564B583757396F774A386931787942524A476E356C4B58706C4D654B65434E52374E32";

async fn serve(
    socket: Socket,
    from: SocketAddr,
    settings: &ClientLoginSettings,
    shared: &LoginShared,
) -> Result<(), LoginEnd> {
    let mut login = accept(socket, Peer::Inet(from), 4242, settings, shared).await?;
    let mut packets = Packets::new(&mut login.stream, login.next_sequence);
    packets.write(&OK).await?;
    loop {
        packets.sequence = 0;
        let command = packets.read().await?;
        match command.first() {
            Some(&COM_QUIT) | None => return Ok(()),
            Some(&COM_CHANGE_USER) => {
                let context =
                    ChangeUserContext { capabilities: login.capabilities, peer: login.peer, salt: login.salt };
                let next = packets.sequence;
                let changed = change_user(&mut login.stream, &command, next, &context, settings, shared).await?;
                login.account = changed.account;
                packets = Packets::new(&mut login.stream, changed.next_sequence);
                packets.write(&OK).await?;
            }
            Some(_) => packets.write(&OK).await?,
        }
    }
}
