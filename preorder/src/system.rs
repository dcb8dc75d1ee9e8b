//! The six services with their settings, each found by the others at the address it really listens on.

use std::error::Error;
use std::path::{Path, PathBuf};

use chassis::{Application, NothingOfItsOwn, SharedSettings};
use http_common::{InternalSettings, MemorySettings};
use identity::{AuthSettings, Mode, UnknownMode};
use serde::Deserialize;
use settings::{Compiled, Layers, SettingsError};
use telemetry::{LogSettings, TracingSettings};

const DEFAULTS: &str = include_str!("../config/default.toml");
/// The process itself has nothing to say about it; the services have.
const PROFILES: &[(&str, &str)] = &[("docker", "")];
/// Each has a table of its own in a profile's file.
const SERVICES: &[&str] = &["prereservation", "payment", "receipt", "myreservation", "account", "gateway"];

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProcessSettings {
    pub(crate) data: DataSettings,
    pub(crate) auth: AuthOfAll,
    pub(crate) memory: MemorySettings,
    pub(crate) log: LogSettings,
    pub(crate) tracing: TracingSettings,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DataSettings {
    pub(crate) dir: PathBuf,
}

/// What all services have to agree about.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthOfAll {
    mode: ModeOfAll,
    secure_cookies: bool,
}

/// None: each service has its own.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
struct ModeOfAll(Option<Mode>);

impl TryFrom<String> for ModeOfAll {
    type Error = UnknownMode;

    fn try_from(text: String) -> Result<Self, UnknownMode> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        Mode::try_from(text).map(|mode| Self(Some(mode)))
    }
}

impl AuthOfAll {
    fn fill(&self, auth: &mut AuthSettings) {
        if let ModeOfAll(Some(mode)) = self.mode {
            auth.mode = mode;
        }
        auth.secure_cookies |= self.secure_cookies;
    }
}

pub(crate) struct Settings {
    pub(crate) process: ProcessSettings,
    prereservation: chassis::Settings<prereservation::settings::Own>,
    payment: chassis::Settings<payment::settings::Own>,
    receipt: chassis::Settings<NothingOfItsOwn>,
    myreservation: chassis::Settings<myreservation::settings::Own>,
    account: chassis::Settings<account::settings::Own>,
    gateway: gateway::Settings,
}

impl Settings {
    /// The services that read the event log.
    pub(crate) fn readers(&self) -> [(&'static str, &SharedSettings); 3] {
        [
            (payment::app::SERVICE.name, &self.payment.shared),
            (receipt::app::SERVICE.name, &self.receipt.shared),
            (myreservation::app::SERVICE.name, &self.myreservation.shared),
        ]
    }
}

pub(crate) struct System {
    pub(crate) services: Vec<Application>,
    pub(crate) gateway: gateway::Application,
    data: PathBuf,
}

/// Everything that may be wrong with the settings is found here, before anything is opened.
///
/// # Errors
/// One line that names the key.
pub(crate) fn load(profile: Option<String>, data: Option<PathBuf>) -> Result<Settings, SettingsError> {
    let profile = profile.or_else(|| settings::active_profile(std::iter::empty()));
    let process = process_settings(profile.clone(), data)?;
    let dir = process.data.dir.clone();
    let made_up = MadeUpToken::new();
    let of = || profile.clone();
    let mut prereservation = prereservation::app::SERVICE
        .load_among("PRERESERVATION", of(), |own| made_up.fill(&mut own.internal))?;
    let mut payment =
        payment::app::SERVICE.load_among("PAYMENT", of(), |own| made_up.fill(&mut own.internal))?;
    let mut receipt = receipt::app::SERVICE.load_among("RECEIPT", of(), |_| {})?;
    let mut myreservation = myreservation::app::SERVICE.load_among("MYRESERVATION", of(), |_| {})?;
    let mut account = account::app::SERVICE.load_among("ACCOUNT", of(), |_| {})?;
    let gateway = gateway::Settings::load(profile, Some("GATEWAY"))?;

    made_up.agree(&mut prereservation.own.internal, &mut payment.own.internal);
    for shared in [
        &mut prereservation.shared,
        &mut payment.shared,
        &mut receipt.shared,
        &mut myreservation.shared,
        &mut account.shared,
    ] {
        shared.database.url = below(&dir, &shared.database.url).into();
        shared.event_log.url = below(&dir, &shared.event_log.url);
        process.auth.fill(&mut shared.auth);
    }
    payment.own.provider.ledger_url = below(&dir, &payment.own.provider.ledger_url).into();
    Ok(Settings { process, prereservation, payment, receipt, myreservation, account, gateway })
}

/// prereservation proves to payment who it is. Both are in this process, so nobody needs to think of a token.
struct MadeUpToken(String);

impl MadeUpToken {
    fn new() -> Self {
        Self(rand::random::<[u8; 32]>().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn fill(&self, internal: &mut InternalSettings) {
        if internal.is_empty() {
            internal.token = self.0.clone().into();
        }
    }

    /// A token that was set for one of the two is the other's as well.
    fn agree(&self, caller: &mut InternalSettings, called: &mut InternalSettings) {
        let made_up = |internal: &InternalSettings| internal.sent() == Some(&self.0);
        match (made_up(caller), made_up(called)) {
            (true, false) => caller.token = called.token.clone(),
            (false, true) => called.token = caller.token.clone(),
            (true, true) | (false, false) => {}
        }
    }
}

fn process_settings(
    profile: Option<String>,
    data: Option<PathBuf>,
) -> Result<ProcessSettings, SettingsError> {
    let own = Compiled { defaults: DEFAULTS, profiles: PROFILES };
    let layers = Layers { own, profile, sections: SERVICES, ..Layers::default() };
    let mut process: ProcessSettings = settings::load(&layers)?;
    if let Some(dir) = data {
        process.data.dir = dir;
    }
    Ok(process)
}

/// What lies in `data/` by default lies in the chosen directory.
fn below(dir: &Path, url: &str) -> String {
    match url.strip_prefix("sqlite://data/") {
        Some(file) => format!("sqlite://{}", dir.join(file).display()),
        None => url.to_owned(),
    }
}

/// Where the embedded event log lies.
///
/// # Errors
/// A wrong setting, or an event log that is Kafka's.
pub(crate) fn event_log_path(
    profile: Option<String>,
    data: Option<PathBuf>,
) -> Result<PathBuf, Box<dyn Error>> {
    let settings = load(profile, data)?.prereservation.shared;
    match settings.event_log.location(&settings.kafka)? {
        messaging::settings::Location::Local(path) => Ok(path),
        messaging::settings::Location::Kafka(brokers) => {
            Err(format!("the event log is Kafka at {brokers}; read it with kafka-console-consumer or kcat")
                .into())
        }
    }
}

impl System {
    /// Opens databases and binds addresses; nothing is answered yet.
    ///
    /// # Errors
    /// A port that is taken, a directory that cannot be written, a database that does not answer.
    pub(crate) async fn build(mut settings: Settings) -> Result<Self, Box<dyn Error>> {
        let account = account::app::build(settings.account).await?;
        let urls = &mut settings.gateway.url;
        wire(urls.get_mut("account"), &account, 8085);
        for shared in [
            &mut settings.prereservation.shared,
            &mut settings.payment.shared,
            &mut settings.receipt.shared,
            &mut settings.myreservation.shared,
        ] {
            wire(Some(&mut shared.auth.jwks_url), &account, 8085);
        }
        let payment = payment::app::build(settings.payment).await?;
        wire(urls.get_mut("payment"), &payment, 8081);
        wire(Some(&mut settings.prereservation.own.url.payment), &payment, 8081);
        let prereservation = prereservation::app::build(settings.prereservation).await?;
        wire(urls.get_mut("prereservation"), &prereservation, 8082);
        let receipt = receipt::app::build(settings.receipt).await?;
        wire(urls.get_mut("receipt"), &receipt, 8083);
        let myreservation = myreservation::app::build(settings.myreservation).await?;
        wire(urls.get_mut("myreservation"), &myreservation, 8084);
        let gateway = gateway::Application::build(settings.gateway).await?;
        Ok(Self {
            services: vec![prereservation, payment, receipt, myreservation, account],
            gateway,
            data: settings.process.data.dir,
        })
    }

    /// What a newcomer wants to know.
    pub(crate) fn greet(&self) {
        let gateway = self.gateway.addr();
        println!("preorder {} is up.\n", env!("CARGO_PKG_VERSION"));
        println!("  {:<16} http://{gateway}", "gateway");
        for service in &self.services {
            println!(
                "  {:<16} http://{:<21} {}",
                service.name(),
                service.addr().to_string(),
                service.database_url()
            );
        }
        let port = gateway.port();
        println!("\nData lies in {}.", self.data.display());
        println!(
            "\nTry (httpie):\n  \
             http POST :{port}/preReservations userId=1 userAddress=\"seoul\" productId=1 productName=fold \
             price=1300000 cardNo=\"1234-1234-1234-1234\" status=\"order\"\n  \
             http :{port}/preReservations\n  \
             http :{port}/payments\n  \
             http :{port}/receipts\n  \
             http :{port}/myReservations\n  \
             http DELETE :{port}/preReservations/1\n  \
             http --session=me POST :{port}/users/signup email=me@example.com password=\"a long sentence\"\n  \
             http --session=me :{port}/users/currentuser\n\
             or with curl:\n  \
             curl -s localhost:{port}/preReservations -H 'Content-Type: application/json' -d \
             '{{\"userId\":1,\"userAddress\":\"seoul\",\"productId\":1,\"productName\":\"fold\",\"price\":1300000,\
             \"cardNo\":\"1234-1234-1234-1234\"}}'\n\n\
             preorder events --follow prints the event log. Ctrl-C stops everything in order."
        );
    }
}

/// Points a URL that still is the default one to where the service really listens.
fn wire(url: Option<&mut String>, service: &Application, default_port: u16) {
    if let Some(url) = url
        && let Some(path) = url.strip_prefix(&format!("http://localhost:{default_port}"))
        && (path.is_empty() || path.starts_with('/'))
    {
        *url = format!("http://{}{path}", service.addr());
    }
}
