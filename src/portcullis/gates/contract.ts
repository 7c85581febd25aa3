import { Type } from 'typebox';
import { Nullable, pageQuery, Time, Uuid } from '../../http/shapes.ts';

const Process = Type.Object({
  id: Type.String({ description: '32 hex, new at each start of the process.' }),
  host: Type.String(),
  version: Type.String(),
  node: Type.String({ description: 'The server that it is attached to.' }),
  attached_at: Time,
  position: Nullable(
    Type.Integer({
      description:
        'Up to where that server has said that the feed of the account is in force with it and its gates.',
    }),
  ),
});

const fields = {
  id: Type.String(),
  name: Type.String(),
  created_at: Time,
  processes: Type.Array(Process, { description: 'Those that are attached.' }),
};

/** A gate as it is shown: never its secret. */
export const Gate = Type.Object(fields);

/** One that is new. */
export const NewGate = Type.Object({
  ...fields,
  token: Type.String({ description: 'For `portcullis gate`; shown this once.' }),
});

export const DeletedGate = Type.Object({ id: Type.String() });

export const CreateGate = Type.Object({ name: Type.String({ minLength: 1, maxLength: 350 }) });

export const GateParams = Type.Object({ gate_id: Uuid('UUID of the gate.') });

export const GateQuery = Type.Object({
  ...pageQuery({ most: 1000, usual: 100 }),
  name: Type.Optional(Type.String({ maxLength: 350, description: 'Exactly this name, in any case.' })),
  search: Type.Optional(Type.String({ maxLength: 350, description: 'Part of the name.' })),
});
