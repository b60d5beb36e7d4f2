"""Which kind of device is played by which class."""

from __future__ import annotations

from firmware_sim.devices import (
    base,
    bp_cuff,
    fall_detector,
    glucometer,
    home_hub,
    light,
    oximeter,
    pendant,
    room_sensors,
    scale,
    tablet,
    thermometer,
)

KINDS: dict[str, type[base.Device]] = {
    "pendant": pendant.Pendant,
    "fall_detector": fall_detector.FallDetector,
    "motion": room_sensors.MotionSensor,
    "door": room_sensors.DoorSensor,
    "bed": room_sensors.BedSensor,
    "room_thermometer": room_sensors.RoomThermometer,
    "smoke": room_sensors.SmokeAlarm,
    "light": light.Light,
    "oximeter": oximeter.Oximeter,
    "bp_cuff": bp_cuff.BloodPressureCuff,
    "thermometer": thermometer.Thermometer,
    "scale": scale.Scale,
    "glucometer": glucometer.Glucometer,
    "tablet": tablet.Tablet,
    "home_hub": home_hub.HomeHub,
}
