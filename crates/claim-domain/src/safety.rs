//! Safety first: what to do at the scene, by 道路交通事故处理程序规定 (2018) articles 13, 14 and 19.

use serde::{Deserialize, Serialize};

/// What the person says of the scene. `None`: not answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Scene {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub injured: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub road: Option<Road>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub special: Option<Special>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Road {
    Blocking,
    Clear,
    /// An illness, a burst pipe: no road in it.
    NoRoad,
}

impl Road {
    pub const ALL: [Road; 3] = [Road::Blocking, Road::Clear, Road::NoRoad];

    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Road::Blocking => "blocking",
            Road::Clear => "clear",
            Road::NoRoad => "no-road",
        }
    }
}

/// The cases in which the police must be called although nobody is hurt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Special {
    None,
    /// Article 13: no licence, drink or drugs, overloaded school or passenger bus, no or false
    /// plate, a car that cannot be moved, somebody left the scene, intent. Article 15: dangerous
    /// goods.
    Police,
    /// Article 14: no inspection or insurance mark, or a building or public facility was hit.
    Facility,
}

impl Special {
    pub const ALL: [Special; 3] = [Special::None, Special::Police, Special::Facility];

    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Special::None => "none",
            Special::Police => "police",
            Special::Facility => "facility",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Advice {
    /// People first: 120, 122, leave the scene as it is.
    Injury,
    /// Leave the scene as it is and call 122.
    Police,
    /// Photographs, move the car, then call 122.
    MoveThenPolice,
    /// Photographs, then clear the road at once (article 19: who blocks it may be fined 200 元).
    MoveAway,
    /// No danger on the road: photographs at leisure.
    Photographs,
    /// Not a road accident: stop further damage, keep receipts.
    Elsewhere,
}

impl Scene {
    /// `None` until enough is answered.
    pub fn advice(&self) -> Option<Advice> {
        if self.injured? {
            return Some(Advice::Injury);
        }
        Some(match (self.road?, self.special) {
            (Road::NoRoad, _) => Advice::Elsewhere,
            (_, Some(Special::Police)) => Advice::Police,
            (_, Some(Special::Facility)) => Advice::MoveThenPolice,
            (Road::Blocking, _) => Advice::MoveAway,
            (Road::Clear, _) => Advice::Photographs,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_by_article() {
        let scene = |injured, road, special| Scene {
            injured: Some(injured),
            road,
            special,
        };
        for road in [
            None,
            Some(Road::Blocking),
            Some(Road::Clear),
            Some(Road::NoRoad),
        ] {
            assert_eq!(scene(true, road, None).advice(), Some(Advice::Injury));
        }
        for road in [Road::Blocking, Road::Clear] {
            assert_eq!(
                scene(false, Some(road), Some(Special::Police)).advice(),
                Some(Advice::Police)
            );
            assert_eq!(
                scene(false, Some(road), Some(Special::Facility)).advice(),
                Some(Advice::MoveThenPolice)
            );
        }
        assert_eq!(
            scene(false, Some(Road::Blocking), Some(Special::None)).advice(),
            Some(Advice::MoveAway)
        );
        assert_eq!(
            scene(false, Some(Road::Clear), None).advice(),
            Some(Advice::Photographs)
        );
        assert_eq!(
            scene(false, Some(Road::NoRoad), None).advice(),
            Some(Advice::Elsewhere)
        );
        assert_eq!(scene(false, None, None).advice(), None);
        assert_eq!(Scene::default().advice(), None);
    }
}
