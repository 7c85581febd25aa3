import { Type } from 'typebox';
import { Time } from '../../http/shapes.ts';

/** Days between rotations (reference §3.6, §5): six weeks unless told otherwise. */
export const LEAST_DAYS = 21;
export const MOST_DAYS = 365;
export const USUAL_DAYS = 42;

/** What the SDK calls the configuration of the keys. */
export const KeyConfiguration = Type.Object({
  days_until_next_rotation: Type.Integer(),
  key_rotation_interval_days: Type.Integer(),
  last_key_rotation_at: Time,
});

export const KeyConfigurationUpdate = Type.Object({
  key_rotation_interval_days: Type.Integer({ minimum: LEAST_DAYS, maximum: MOST_DAYS }),
});
